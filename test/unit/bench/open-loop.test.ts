import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { poissonArrivals } from '../../bench/lib/arrivals.ts'
import { bestRate, nextRate, type RateSearch, type Trial } from '../../bench/lib/rate-search.ts'

describe('poissonArrivals', () => {
  it('gives increasing times before the end, the same for the same seed', () => {
    const times = poissonArrivals(200, 5000, 3)
    expect(times).toEqual(poissonArrivals(200, 5000, 3))
    expect(times).not.toEqual(poissonArrivals(200, 5000, 4))
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times.at(-1)).toBeLessThan(5000)
  })

  it('has exponential gaps: mean and deviation 1000 / rate, and 1/e of them longer than the mean', () => {
    const times = poissonArrivals(500, 100_000, 1)
    const gaps = times.map((time, i) => time - (times[i - 1] ?? 0))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
    // 50,000 gaps: five standard errors are about 2.3 % of the mean.
    expect(Math.abs(mean / 2 - 1)).toBeLessThan(0.023)
    expect(Math.abs(Math.sqrt(variance) / 2 - 1)).toBeLessThan(0.045)
    const longer = gaps.filter((gap) => gap > mean).length / gaps.length
    expect(longer).toBeCloseTo(Math.exp(-1), 1)
  })
})

describe('nextRate', () => {
  const search: RateSearch = { start: 100, factor: 1.4, resolution: 1.05, maxTrials: 40 }

  function run(capacity: number, options: RateSearch): Trial[] {
    const trials: Trial[] = []
    for (;;) {
      const rate = nextRate(trials, options)
      if (rate === null) return trials
      trials.push({ rate, held: rate <= capacity })
    }
  }

  it('steps, then halves', () => {
    expect(run(300, search).map(({ rate }) => Math.round(rate))).toEqual([
      100, 140, 196, 274, 384, 325, 298, 311,
    ])
    expect(run(60, search).map(({ rate }) => Math.round(rate))).toEqual([100, 71, 51, 60, 55, 58])
  })

  it('finds any rate within the resolution, and never tries a rate that is known', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 10_000, noNaN: true }), (capacity) => {
        const trials = run(capacity, search)
        const best = bestRate(trials)
        expect(best).toBeLessThanOrEqual(capacity)
        expect(best).toBeGreaterThan(capacity / search.resolution - 1e-9)
        expect(new Set(trials.map(({ rate }) => rate)).size).toBe(trials.length)
      }),
    )
  })

  it('ends after so many trials, with nothing when nothing held', () => {
    const trials = run(0, { ...search, maxTrials: 6 })
    expect(trials).toHaveLength(6)
    expect(bestRate(trials)).toBe(0)
  })
})
