import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { calibrationInterval } from '../../../shared/training/evaluation/calibration-interval.ts'
import { findConfusedPairs } from '../../../shared/training/evaluation/confused-pairs.ts'
import { measureRiskCoverage } from '../../../shared/training/evaluation/risk-coverage.ts'

describe('risk and coverage', () => {
  const confidences = Float64Array.of(0.8, 0.99, 0.95, 0.95, 0.9, 0.7, 0.7, 0.7, 0.6, 0.3)
  const right = Uint8Array.of(0, 1, 1, 0, 1, 0, 1, 1, 0, 0)

  it('has the area that numpy finds, ties in all orders', () => {
    // The mean of numpy.mean(numpy.cumsum(1 - right) / numpy.arange(1, 11)) over all orders of equal confidences.
    const sorted = Float64Array.of(0.99, 0.95, 0.95, 0.9, 0.8, 0.7, 0.7, 0.7, 0.6, 0.3)
    const known = Uint8Array.of(1, 1, 0, 1, 1, 0, 1, 1, 0, 0)
    const { area, bestArea } = measureRiskCoverage(sorted, known)
    expect(area).toBeCloseTo(0.24769841269841272, 12)
    expect(bestArea).toBeCloseTo(0.11261904761904762, 12)
    const order = [9, 3, 7, 1, 0, 8, 2, 6, 4, 5]
    const again = measureRiskCoverage(
      Float64Array.from(order, (row) => sorted[row]!),
      Uint8Array.from(order, (row) => known[row]!),
    )
    expect(again.area).toBeCloseTo(area, 12)
  })

  it('answers rows of equal confidence together', () => {
    const { points } = measureRiskCoverage(confidences, right)
    expect(points.map(({ coverage }) => coverage)).toEqual([0.1, 0.3, 0.4, 0.5, 0.8, 0.9, 1])
    expect(points.map(({ risk }) => risk)).toEqual([0, 1 / 3, 1 / 4, 2 / 5, 3 / 8, 4 / 9, 1 / 2])
    for (const { low, risk, high } of points) {
      expect(low).toBeLessThanOrEqual(risk)
      expect(high).toBeGreaterThan(risk)
    }
  })

  it('tells the largest share that can be answered at an error', () => {
    const sure = Float64Array.from({ length: 200 }, (_, i) => 1 - i / 1000)
    const wrong = Uint8Array.from({ length: 200 }, (_, i) => Number(i !== 60 && i < 195))
    // 1 of 61 is 1.6 %, 1 of 100 is 1 %; 6 of 200 are 3 %.
    expect(measureRiskCoverage(sure, wrong).atRisk).toMatchObject([
      { risk: 0.01, coverage: 195 / 200, confidence: sure[194] },
      { risk: 0.02, coverage: 197 / 200, confidence: sure[196] },
      { risk: 0.05, coverage: 1, confidence: sure[199] },
    ])
    // Clopper-Pearson of 0 of 10: 1 - 0.025 ** (1 / 10).
    const ten = measureRiskCoverage(sure.slice(0, 10), new Uint8Array(10).fill(1)).atRisk
    expect(ten[0]).toMatchObject({ coverage: 1, low: 0 })
    expect(ten[0]!.high).toBeCloseTo(0.3084971, 6)
    const none = measureRiskCoverage(sure, new Uint8Array(200)).atRisk
    expect(none.every(({ coverage, confidence }) => coverage === 0 && confidence === null)).toBe(
      true,
    )
  })

  it('thins many rows and keeps the last, and has nothing of none', () => {
    const many = Float64Array.from({ length: 5_000 }, (_, i) => i / 5_000)
    const { points } = measureRiskCoverage(many, new Uint8Array(5_000).fill(1))
    expect(points.length).toBeLessThan(50)
    expect(points.at(-1)).toMatchObject({ coverage: 1, risk: 0 })
    expect(measureRiskCoverage(new Float64Array(), new Uint8Array())).toMatchObject({
      points: [],
      area: 0,
      bestArea: 0,
    })
  })
})

describe('confused pairs', () => {
  const confidences = Float64Array.from({ length: 40 }, (_, i) => 0.5 + ((i * 17) % 40) / 100)
  const truth = Int32Array.from({ length: 40 }, (_, i) => Math.floor(i / 10))
  const said = truth.slice()
  for (const row of [0, 1, 2, 3]) said[row] = 1
  for (const row of [10, 11]) said[row] = 0
  for (const row of [4, 12, 13]) said[row] = 2

  it('counts both directions and names the rows, the surest first', () => {
    const [first, ...others] = findConfusedPairs({ said, truth, confidences }, 4)
    expect(first).toMatchObject({ first: 0, second: 1, forth: 4, back: 2, of: 20 })
    expect(first!.rows.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 10, 11])
    const sure = first!.rows.map((row) => confidences[row]!)
    expect(sure).toEqual(sure.toSorted((a, b) => b - a))
    expect(others.map(({ first, second, forth }) => [first, second, forth])).toEqual([
      [1, 2, 2],
      [0, 2, 1],
    ])
  })

  it('sets them beside chance as scipy does', () => {
    // min(1, binom.sf(5, 9, 1 / 3) * 6): six of the nine errors of both labels, three other labels, six pairs.
    const [first] = findConfusedPairs({ said, truth, confidences }, 4)
    expect(first!.pValue).toBeCloseTo(0.254534369760707, 10)
  })

  it('finds nothing beyond chance in two labels, where all errors are of the one pair', () => {
    const two = { truth: Int32Array.of(0, 0, 0, 1, 1), said: Int32Array.of(1, 1, 1, 0, 0) }
    const [pair] = findConfusedPairs({ ...two, confidences }, 2)
    expect(pair).toMatchObject({ forth: 3, back: 2, of: 5, pValue: 1 })
  })
})

describe('the interval of the calibration error', () => {
  /** Answers whose accuracy lies `gap` below their confidence, and the error that very many of them would show. */
  function drawTest(rows: number, gap: number, seed: number) {
    const random = createRandom(seed)
    const confidences = Float64Array.from({ length: rows }, () => 0.7 + 0.25 * random.next())
    const right = Uint8Array.from(confidences, (p) => Number(random.next() < p - gap))
    return { confidences, right }
  }

  it.each([
    [100, 0],
    [100, 0.1],
    [400, 0],
    [400, 0.05],
    [400, 0.2],
  ])('holds the truth in most tests of %i rows, %f off', (rows, gap) => {
    const tests = 80
    let held = 0
    for (let seed = 0; seed < tests; seed++) {
      const { confidences, right } = drawTest(rows, gap, seed)
      const { low, high } = calibrationInterval(confidences, right, seed)!.interval
      if (low <= gap && gap <= high) held++
    }
    // 95 % less two and a half standard errors of 80 tests.
    expect(held / tests).toBeGreaterThanOrEqual(0.89)
  })

  it('says how much a calibrated head would show', () => {
    const { confidences, right } = drawTest(100, 0, 5)
    const found = calibrationInterval(confidences, right, 1)!
    expect(found.interval.low).toBe(0)
    expect(found.byChance).toBeGreaterThan(0.03)
    expect(found.byChance).toBeLessThan(0.12)
    expect(calibrationInterval(confidences, right, 1)).toEqual(found)
    expect(calibrationInterval(new Float64Array(), new Uint8Array(), 1)).toBeNull()
  })

  it('has a width where nothing is wrong', () => {
    const sure = calibrationInterval(new Float64Array(5).fill(0.999), new Uint8Array(5).fill(1), 1)
    // The accuracy of five of five may be 47.8 %.
    expect(sure!.interval.low).toBe(0)
    expect(sure!.interval.high).toBeCloseTo(0.999 - 0.025 ** (1 / 5), 6)
  })

  it('lies above zero where confidence is clearly wrong', () => {
    const { confidences, right } = drawTest(400, 0.3, 3)
    expect(calibrationInterval(confidences, right, 1)!.interval.low).toBeGreaterThan(0.15)
  })
})
