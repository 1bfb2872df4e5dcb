import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interleave } from '../../bench/lib/interleave.ts'
import { cosine, median, passRatios, quantile, spread } from '../../bench/lib/statistics.ts'

const sample = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 60 })

describe('median', () => {
  it('is the middle value, or the mean of both middles', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 3, 100])).toBe(3.5)
    expect(median([])).toBeNaN()
  })
})

describe('quantile', () => {
  it('takes the nearest rank, as in the textbook example', () => {
    // https://en.wikipedia.org/wiki/Percentile#Worked_examples_of_the_nearest-rank_method
    const values = [15, 20, 35, 40, 50]
    expect([0.05, 0.3, 0.4, 0.5, 1].map((q) => quantile(values, q))).toEqual([15, 20, 20, 35, 50])
    expect(quantile([], 0.5)).toBeNaN()
  })

  it('is the smallest value that the wanted share does not exceed', () => {
    fc.assert(
      fc.property(sample, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const found = quantile(values, q)
        const upTo = (limit: number) => values.filter((value) => value <= limit).length
        expect(upTo(found)).toBeGreaterThanOrEqual(q * values.length - 1e-9)
        expect(upTo(found - 0.5)).toBeLessThan(q * values.length)
      }),
    )
  })
})

describe('passRatios', () => {
  it('compares passes of the same number', () => {
    expect(passRatios([10, 30], [5, 10])).toEqual([2, 3])
    expect(() => passRatios([1, 2], [1])).toThrow(/2 passes cannot be compared with 1/)
  })
})

describe('spread and cosine', () => {
  it('give the range over the median, and the angle', () => {
    expect(spread([8, 10, 12])).toBeCloseTo(0.4, 12)
    expect(cosine([1, 0], [1, 1])).toBeCloseTo(Math.SQRT1_2, 12)
    expect(cosine([3, 4], [6, 8])).toBeCloseTo(1, 12)
  })
})

describe('interleave', () => {
  it('lets every contestant run once a pass, in rotating order, and drops the warm-up', async () => {
    const order: string[] = []
    const contestants = ['a', 'b', 'c'].map((name) => async () => {
      order.push(name)
      return `${name}${order.length}`
    })
    const passes: number[] = []
    const found = await interleave(contestants, 2, (pass) => passes.push(pass))
    expect(order.join('')).toBe('abcbcacab')
    expect(found).toEqual([
      ['a6', 'a8'],
      ['b4', 'b9'],
      ['c5', 'c7'],
    ])
    expect(passes).toEqual([0, 1, 2])
  })
})
