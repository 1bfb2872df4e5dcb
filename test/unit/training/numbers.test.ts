import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { measureAnswers } from '../../../shared/training/evaluation/answers.ts'
import {
  chooseThresholds,
  fitTemperature,
} from '../../../shared/training/evaluation/calibration.ts'
import { compareHeads, rankOod } from '../../../shared/training/evaluation/compare.ts'
import {
  calibrationError,
  classMetrics,
  confusionPairs,
  reliabilityBins,
} from '../../../shared/training/evaluation/metrics.ts'
import { assignFolds, sampleRows, splitRows } from '../../../shared/training/numerics/folds.ts'
import { oneHot } from '../../../shared/training/numerics/rows.ts'

describe('temperature', () => {
  it('is the one that makes odds match frequencies', () => {
    // Score difference 1 everywhere, right in 3 of 4 rows: odds 3 need a difference of ln 3.
    const scores = { data: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0), rows: 4, columns: 2 }
    const truth = oneHot(Int32Array.of(0, 0, 0, 1), 2)
    const fit = fitTemperature({ scores, truth, activation: 'softmax' })
    expect(fit.temperature).toBeCloseTo(1 / Math.log(3), 4)
    expect(fit.nll).toBeCloseTo(-(3 * Math.log(0.75) + Math.log(0.25)) / 4, 6)
  })

  it('is the same for a sigmoid of the difference', () => {
    const scores = { data: Float32Array.of(1, 1, 1, 1), rows: 4, columns: 1 }
    const truth = { data: Float32Array.of(1, 1, 1, 0), rows: 4, columns: 1 }
    const fit = fitTemperature({ scores, truth, activation: 'sigmoid' }, 10)
    expect(fit.temperature).toBeCloseTo(1 / Math.log(3), 4)
  })

  it('never lies above the likelihood of a search over all temperatures', () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0.05, max: 20, noNaN: true }), (seed, scale) => {
        const random = createRandom(seed)
        const rows = 30
        const data = Float32Array.from({ length: rows * 3 }, () => scale * (random.next() - 0.5))
        const scores = { data, rows, columns: 3 }
        const truth = oneHot(
          Int32Array.from({ length: rows }, () => random.below(3)),
          3,
        )
        const heldOut = { scores, truth, activation: 'softmax' } as const
        const fit = fitTemperature(heldOut)
        for (let log = -4.6; log <= 4.6; log += 0.2) {
          const temperature = Math.exp(log)
          let nll = 0
          for (let i = 0; i < rows; i++) {
            const z = [0, 1, 2].map((c) => data[i * 3 + c]! / temperature)
            const actual = truth.data.subarray(i * 3, i * 3 + 3).indexOf(1)
            const top = Math.max(...z)
            nll += Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0)) + top - z[actual]!
          }
          expect(fit.nll).toBeLessThan(nll / rows + 1e-4)
        }
      }),
      { numRuns: 30, seed: 1 },
    )
  })
})

describe('metrics', () => {
  it('computes the calibration error by hand', () => {
    // Bins of 1/15: 0.9 and 0.92 fall into (13/15, 14/15], 0.5 into (7/15, 8/15], 1 into the last.
    const bins = reliabilityBins(Float64Array.of(0.9, 0.92, 0.5, 1), Uint8Array.of(1, 0, 1, 1))
    expect(bins.filter(({ rows }) => rows > 0).map(({ rows }) => rows)).toEqual([1, 2, 1])
    expect(bins[13]).toMatchObject({ rows: 2, accuracy: 0.5 })
    expect(bins[13]!.confidence).toBeCloseTo(0.91, 12)
    expect(calibrationError(bins)).toBeCloseTo((2 / 4) * 0.41 + (1 / 4) * 0.5 + 0, 12)
    expect(calibrationError([])).toBe(0)
  })

  it('computes precision, recall, F1 and confusions by hand', () => {
    const labels = ['a', 'b', 'c']
    const actual = Int32Array.of(0, 0, 0, 1, 1, 2)
    const predicted = Int32Array.of(0, 0, 1, 1, 0, 0)
    const hot = (rows: Int32Array): Uint8Array => Uint8Array.from(oneHot(rows, 3).data)
    const metrics = classMetrics(labels, hot(predicted), hot(actual))
    expect(metrics[0]).toMatchObject({ precision: 0.5, recall: 2 / 3, support: 3 })
    expect(metrics[0]!.f1).toBeCloseTo(4 / 7, 12)
    expect(metrics[1]).toMatchObject({ precision: 0.5, recall: 0.5, f1: 0.5, support: 2 })
    expect(metrics[2]).toMatchObject({ precision: 0, recall: 0, f1: 0, support: 1 })
    const rows = (labels: Int32Array) => Array.from(labels, (label) => [label])
    const answers = measureAnswers({ said: rows(predicted), truth: rows(actual), labels: 3 }, 1)
    expect(answers.macroF1.value).toBeCloseTo((4 / 7 + 0.5) / 3, 12)
    expect(confusionPairs(labels, predicted, actual)).toEqual([
      { actual: 'a', predicted: 'b', rows: 1 },
      { actual: 'b', predicted: 'a', rows: 1 },
      { actual: 'c', predicted: 'a', rows: 1 },
    ])
  })

  it('ranks foreign rows by hand', () => {
    const ranking = rankOod(Float32Array.of(1, 2, 3, 4), Float32Array.of(0, 3, 5, 9))
    expect(ranking.auroc).toBeCloseTo((0 + 2.5 + 4 + 4) / 16, 12)
    expect(ranking.fpr95).toBeCloseTo(2 / 4, 12)
  })

  it('finds no difference between equal heads, and a sure one between unequal ones', () => {
    const right = Uint8Array.from({ length: 200 }, (_, i) => Number(i % 4 > 0))
    const same = compareHeads(right, right)
    expect(same).toMatchObject({ difference: 0, pValue: 1 })
    expect(same.high).toBeCloseTo(0.0183, 3)
    const worse = Uint8Array.from(right, (value, i) => (i < 40 ? 0 : value))
    const found = compareHeads(right, worse)
    expect(found.difference).toBeCloseTo(0.15, 12)
    expect(found.low).toBeGreaterThan(0.05)
    expect(found.high).toBeLessThan(0.25)
    expect(compareHeads(right, worse)).toEqual(found)
  })

  it('chooses the threshold of best F1, and one half on few positives', () => {
    const data = Float32Array.from({ length: 40 }, (_, i) => 1 - i / 40)
    const truth = Float32Array.from({ length: 40 }, (_, i) => Number(i < 30))
    const shape = { rows: 40, columns: 1 }
    const [threshold] = chooseThresholds({ data, ...shape }, { data: truth, ...shape })
    expect(threshold).toBeCloseTo(1 - 29.5 / 40, 6)
    const few = Float32Array.from({ length: 40 }, (_, i) => Number(i < 5))
    expect(chooseThresholds({ data, ...shape }, { data: few, ...shape })[0]).toBe(0.5)
  })
})

describe('folds and splits', () => {
  const groupings = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 80 })

  it('spread every class evenly and never hold out a lone row', () => {
    fc.assert(
      fc.property(
        groupings,
        fc.integer({ min: 2, max: 6 }),
        fc.integer(),
        (values, folds, seed) => {
          const groups = Int32Array.from(values)
          const assigned = assignFolds(groups, folds, createRandom(seed))
          for (const group of new Set(values)) {
            const own = assigned.filter((_, row) => groups[row] === group)
            if (own.length === 1) expect(own[0]).toBe(-1)
            else {
              const counts = Array.from(
                { length: folds },
                (_, fold) => own.filter((x) => x === fold).length,
              )
              expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
            }
          }
        },
      ),
      { seed: 3 },
    )
  })

  it('split every row once, with the share asked for and every class left to train on', () => {
    fc.assert(
      fc.property(groupings, fc.double({ min: 0, max: 0.9, noNaN: true }), (values, share) => {
        const groups = Int32Array.from(values)
        const { train, test } = splitRows(groups, share, createRandom(1))
        expect([...train, ...test].sort((a, b) => a - b)).toEqual([...groups.keys()])
        expect(new Set(Array.from(train, (row) => groups[row]))).toEqual(new Set(values))
        expect(test.length).toBeLessThanOrEqual(Math.ceil(values.length * share) + 1)
      }),
      { seed: 4 },
    )
  })

  it('samples no more than asked for while classes allow it', () => {
    const groups = Int32Array.from({ length: 1000 }, (_, i) => i % 7)
    expect(sampleRows(groups, 100, createRandom(1)).length).toBeLessThanOrEqual(101)
    expect(sampleRows(groups, 5000, createRandom(1))).toHaveLength(1000)
  })
})
