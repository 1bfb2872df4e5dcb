import { describe, expect, it } from 'vitest'
import { logGamma } from '../../../shared/lib/maths/distributions.ts'
import { comparePaired } from '../../../shared/training/evaluation/compare.ts'
import { exactInterval } from '../../../shared/training/evaluation/intervals.ts'

const SIZES = [6, 7, 8, 10, 12, 16, 22, 30, 40, 60, 100, 150, 250, 500, 750]
const FROM = 22

function logFactorial(n: number): number {
  return logGamma(n + 1)
}

/** Chance that the interval of a test of so many rows holds the true share, summed over all outcomes. */
function coverageOfShare(
  limits: readonly { readonly low: number; readonly high: number }[],
  share: number,
): number {
  const rows = limits.length - 1
  return limits.reduce((sum, { low, high }, right) => {
    if (low > share || high < share) return sum
    const choose = logFactorial(rows) - logFactorial(right) - logFactorial(rows - right)
    return sum + Math.exp(choose + right * Math.log(share) + (rows - right) * Math.log1p(-share))
  }, 0)
}

describe('coverage of the interval of an accuracy', () => {
  it('is at least 93 % from 6 to 750 rows and 70 to 98 %, and 98 % at most on average from 22 rows on', () => {
    const all: number[] = []
    for (const rows of SIZES) {
      const limits = Array.from({ length: rows + 1 }, (_, right) => exactInterval(right, rows))
      for (let percent = 70; percent <= 98; percent++) {
        const coverage = coverageOfShare(limits, percent / 100)
        expect(coverage, `${rows} rows at ${percent} %`).toBeGreaterThanOrEqual(0.93)
        if (rows >= FROM) all.push(coverage)
      }
    }
    const mean = all.reduce((sum, each) => sum + each, 0) / all.length
    expect(mean).toBeLessThanOrEqual(0.98)
  })
})

describe('coverage of the interval of a difference', () => {
  it.each([6, 12, 22, 40, 60])('holds the truth in at least 93 of 100 tests of %i rows', (rows) => {
    const seen = new Map<number, { readonly low: number; readonly high: number }>()
    for (const accuracy of [0.7, 0.85, 0.93, 0.98]) {
      for (const difference of [0, 0.03, 0.1]) {
        // The worse head gets four tenths of the better one's errors right.
        const onlyB = (1 - accuracy) * 0.4
        const onlyA = difference + onlyB
        let covered = 0
        let all = 0
        for (let a = 0; a <= rows; a++) {
          for (let b = 0; a + b <= rows; b++) {
            const chance = Math.exp(
              logFactorial(rows) -
                logFactorial(a) -
                logFactorial(b) -
                logFactorial(rows - a - b) +
                a * Math.log(onlyA) +
                b * Math.log(onlyB) +
                (rows - a - b) * Math.log1p(-onlyA - onlyB),
            )
            if (chance < 1e-6) continue
            const found = seen.get(a * 1000 + b) ?? comparePaired(a, b, rows)
            seen.set(a * 1000 + b, found)
            all += chance
            if (found.low <= difference && difference <= found.high) covered += chance
          }
        }
        expect(covered / all).toBeGreaterThanOrEqual(0.93)
      }
    }
  })
})
