import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  betaCdf,
  betaQuantile,
  normalCdf,
  normalQuantile,
  studentQuantile,
} from '../../../shared/lib/maths/distributions.ts'
import { measureAnswers } from '../../../shared/training/evaluation/answers.ts'
import { bcaInterval, intervalOfMean } from '../../../shared/training/evaluation/bca.ts'
import { compareHeads, comparePaired } from '../../../shared/training/evaluation/compare.ts'
import {
  correctedInterval,
  exactInterval,
  exactPairedTest,
  intervalOfRight,
  resampledShareInterval,
  rowsForMargin,
} from '../../../shared/training/evaluation/intervals.ts'

interface Golden {
  readonly beta: readonly { x: number; a: number; b: number; cdf: number }[]
  readonly betaQuantiles: readonly { p: number; a: number; b: number; x: number }[]
  readonly student: readonly { p: number; freedom: number; t: number }[]
  readonly normal: readonly { x: number; cdf: number }[]
  readonly normalQuantiles: readonly { p: number; x: number }[]
  readonly shares: readonly { right: number; rows: number; low: number; high: number }[]
  readonly tests: readonly { onlyA: number; onlyB: number; pValue: number }[]
  readonly paired: readonly {
    onlyA: number
    onlyB: number
    rows: number
    low: number
    high: number
  }[]
  readonly bootstraps: readonly {
    name: string
    value: number
    drawn: readonly number[]
    left: readonly number[]
    low: number
    high: number
  }[]
  readonly macroF1: { readonly truth: readonly number[]; readonly said: readonly number[] }
}

/** What scipy and statsmodels compute; see test/golden/make-intervals.py. */
const golden = JSON.parse(
  readFileSync(new URL('../../golden/intervals.json', import.meta.url), 'utf8'),
) as Golden

describe('distributions against scipy', () => {
  it('has its beta and Student numbers', () => {
    for (const { x, a, b, cdf } of golden.beta) expect(betaCdf(x, a, b)).toBeCloseTo(cdf, 11)
    for (const { p, a, b, x } of golden.betaQuantiles) {
      expect(betaQuantile(p, a, b)).toBeCloseTo(x, 11)
    }
    for (const { p, freedom, t } of golden.student) {
      expect(studentQuantile(p, freedom) / t).toBeCloseTo(1, 9)
    }
  })

  it('has its normal numbers', () => {
    for (const { x, cdf } of golden.normal) expect(normalCdf(x)).toBeCloseTo(cdf, 13)
    for (const { p, x } of golden.normalQuantiles) expect(normalQuantile(p)).toBeCloseTo(x, 11)
  })
})

describe('the interval of a share', () => {
  it('is that of Clopper and Pearson in statsmodels', () => {
    for (const { right, rows, low, high } of golden.shares) {
      const found = exactInterval(right, rows)
      expect(found.low).toBeCloseTo(low, 9)
      expect(found.high).toBeCloseTo(high, 9)
      expect(found.method).toBe('clopper-pearson')
    }
    expect(exactInterval(0, 0)).toMatchObject({ low: 0, high: 1 })
    expect(intervalOfRight(Uint8Array.of(1, 1, 1)).low).toBeCloseTo(0.025 ** (1 / 3), 12)
  })

  it('says how many rows would tell it to within five points', () => {
    for (const share of [0.5, 0.7, 0.85, 0.93, 1]) {
      const rows = rowsForMargin(share, 0.05)
      const reach = (count: number): number => {
        const right = Math.round(share * count)
        const { low, high } = exactInterval(right, count)
        return Math.max(right / count - low, high - right / count)
      }
      expect(reach(rows)).toBeLessThanOrEqual(0.05)
      expect(reach(rows - 1)).toBeGreaterThan(0.05)
    }
  })
})

describe('the difference of two heads on the same rows', () => {
  it('has the limits that adaptive quadrature finds', () => {
    for (const { onlyA, onlyB, rows, low, high } of golden.paired) {
      const found = comparePaired(onlyA, onlyB, rows)
      expect(found.difference).toBeCloseTo((onlyA - onlyB) / rows, 12)
      expect(Math.abs(found.low - low)).toBeLessThan(6e-4)
      expect(Math.abs(found.high - high)).toBeLessThan(6e-4)
    }
  })

  it('has the p-values of the exact test in statsmodels, and leaves 0 out where they are small', () => {
    for (const { onlyA, onlyB, pValue } of golden.tests) {
      expect(exactPairedTest(onlyA, onlyB)).toBeCloseTo(pValue, 11)
    }
    for (let onlyA = 0; onlyA <= 14; onlyA++) {
      for (let onlyB = 0; onlyB <= 14; onlyB++) {
        const { low, high, pValue } = comparePaired(onlyA, onlyB, 60)
        expect(low > 0 || high < 0).toBe(pValue < 0.05)
      }
    }
  })

  it('never has an interval without width, and mirrors', () => {
    const right = Uint8Array.from({ length: 12 }, (_, i) => Number(i % 4 > 0))
    const same = compareHeads(right, right)
    expect(same.difference).toBe(0)
    expect(same.high).toBeGreaterThan(0.1)
    expect(same.low).toBeCloseTo(-same.high, 12)
    const all = compareHeads(new Uint8Array(12).fill(1), new Uint8Array(12))
    expect(all.difference).toBe(1)
    expect(all.low).toBeLessThan(0.8)
    const [a, b] = [comparePaired(3, 9, 40), comparePaired(9, 3, 40)]
    expect(a.low).toBeCloseTo(-b.high, 12)
    expect(() => compareHeads(right, right.subarray(1))).toThrow('12 rows against 11')
  })
})

describe('the bootstrap', () => {
  it('has the BCa limits of scipy.stats.bootstrap', () => {
    for (const { value, drawn, left, low, high } of golden.bootstraps) {
      const found = bcaInterval(value, Float64Array.from(drawn), Float64Array.from(left))!
      expect(found.low).toBeCloseTo(low, 8)
      expect(found.high).toBeCloseTo(high, 8)
    }
  })

  it('measures macro-F1 as scikit-learn does, and its own draws agree with others', () => {
    const { truth, said } = golden.macroF1
    const reference = golden.bootstraps.find(({ name }) => name === 'macro-F1')!
    const rows = (labels: readonly number[]) => labels.map((label) => [label])
    const answers = { said: rows(said), truth: rows(truth), labels: 3 }
    const { macroF1, accuracy, microF1 } = measureAnswers(answers, 1)
    expect(macroF1.value).toBeCloseTo(reference.value, 12)
    expect(microF1).toBeCloseTo(accuracy.value, 12)
    expect(Math.abs(macroF1.interval!.low - reference.low)).toBeLessThan(0.03)
    expect(Math.abs(macroF1.interval!.high - reference.high)).toBeLessThan(0.03)
    expect(measureAnswers(answers, 1)).toEqual(measureAnswers(answers, 1))
  })

  it('gives no interval without width', () => {
    expect(intervalOfMean(Float64Array.of(2, 2, 2, 2), 1)).toBeNull()
    expect(intervalOfMean(Float64Array.of(2), 1)).toBeNull()
    const perfect = { said: [[0], [1], [0]], truth: [[0], [1], [0]], labels: 2 }
    const { macroF1 } = measureAnswers(perfect, 1)
    expect(macroF1.value).toBe(1)
    expect(macroF1.interval).toMatchObject({ high: 1, method: 'clopper-pearson' })
    expect(macroF1.interval!.low).toBeCloseTo(0.2924, 4)
  })
})

describe('repeated cross-validation', () => {
  it('has the interval of Nadeau and Bengio by hand', () => {
    // Mean 0.82, s² = 0.0008 over 5 runs; variance (1/5 + 1/4) 0.0008 = 0.00036; t(4) at 97.5 % is 2.776445.
    const found = correctedInterval([0.8, 0.85, 0.79, 0.85, 0.81], 1 / 4)!
    expect((found.low + found.high) / 2).toBeCloseTo(0.82, 12)
    expect((found.high - found.low) / 2).toBeCloseTo(2.776445105 * Math.sqrt(0.000_36), 8)
    expect(correctedInterval([0.8], 0.25)).toBeNull()
  })

  it('falls back on the exact interval where runs hardly differ', () => {
    const perfect = resampledShareInterval(new Array(50).fill(1), 0.25, 16)
    expect(perfect).toMatchObject({ high: 1, method: 'clopper-pearson' })
    expect(perfect.low).toBeCloseTo(0.025 ** (1 / 16), 12)
    const spread = resampledShareInterval([0.4, 0.9, 0.6, 1, 0.7], 0.25, 30)
    expect(spread.method).toBe('nadeau-bengio')
    expect(spread.high).toBeLessThanOrEqual(1)
  })
})
