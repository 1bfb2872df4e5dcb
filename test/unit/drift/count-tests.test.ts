import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type CountTest,
  fisherExactTest,
  homogeneityTest,
  orderedBinsTest,
} from '../../../shared/lib/maths/count-tests.ts'
import { chiSquareSurvival, kolmogorovSurvival } from '../../../shared/lib/maths/distributions.ts'

interface Samples {
  readonly a: readonly number[]
  readonly b: readonly number[]
  readonly statistic: number
  readonly p: number
}

interface Golden {
  readonly chiSquare: readonly { x: number; freedom: number; p: number }[]
  readonly kolmogorov: readonly { x: number; p: number }[]
  readonly fisher: readonly { a: number; n: number; b: number; m: number; p: number }[]
  readonly homogeneity: readonly Samples[]
  readonly ordered: readonly Samples[]
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/drift.json', import.meta.url), 'utf8'),
)

/** Equal to so many digits, also far out in the tail. */
function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.max(expected, 1e-12))
}

function expectTest(actual: CountTest, { statistic, p }: Samples): void {
  expectClose(actual.statistic, statistic)
  expectClose(actual.pValue, p)
}

describe('tests of two samples of counts', () => {
  it.each(golden.chiSquare)('chi-square above $x with $freedom: as scipy', ({ x, freedom, p }) => {
    expectClose(chiSquareSurvival(x, freedom), p)
  })

  it.each(golden.kolmogorov)('Kolmogorov above $x: as scipy', ({ x, p }) => {
    expectClose(kolmogorovSurvival(x), p)
  })

  it.each(golden.fisher)('$a of $n against $b of $m: Fisher as scipy', ({ a, n, b, m, p }) => {
    expectClose(fisherExactTest(a, n, b, m), p)
    expectClose(fisherExactTest(b, m, a, n), p)
  })

  it('finds two shares equal where a sample is empty', () => {
    expect(fisherExactTest(0, 0, 5, 10)).toBe(1)
    expect(homogeneityTest([0, 0], [3, 4]).pValue).toBe(1)
    expect(orderedBinsTest([0, 0], [3, 4]).pValue).toBe(1)
  })

  it('chi-square of homogeneity as scipy, where no cell is small', () => {
    expect(golden.homogeneity.length).toBeGreaterThan(4)
    for (const sample of golden.homogeneity) {
      expectTest(homogeneityTest(sample.a, sample.b), sample)
    }
  })

  it('puts small cells together, whatever their order', () => {
    const whole = homogeneityTest([60, 40, 5], [50, 35, 20])
    expectTest(homogeneityTest([60, 1, 2, 40, 2], [50, 8, 6, 35, 6]), {
      ...{ a: [], b: [] },
      ...{ statistic: whole.statistic, p: whole.pValue },
    })
  })

  it('Kolmogorov and Smirnov on bins as scipy', () => {
    for (const sample of golden.ordered) expectTest(orderedBinsTest(sample.a, sample.b), sample)
  })
})
