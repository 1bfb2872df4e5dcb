import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { roundInBlocks } from '../../../shared/exporter/int8/blocked-rounding.ts'
import { factorize, orderByVariance } from '../../../shared/exporter/int8/covariance-factor.ts'
import { roundWithFeedback } from '../../../shared/exporter/int8/error-feedback.ts'
import { openProducts, type Products } from '../../../shared/exporter/int8/products.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const LIMIT = 63

let products: Products
beforeAll(async () => {
  products = await openProducts(1)
})
afterAll(() => products?.release())

/** The covariance of `samples` inputs that share a few directions, and are apart besides. */
function makeCovariance(size: number, samples: number, seed: number): Float64Array {
  const random = createRandom(seed)
  const rows = Array.from({ length: samples }, () => {
    const common = Array.from({ length: 5 }, () => random.next() - 0.5)
    return Float64Array.from({ length: size }, (_, c) => {
      const shared = (common[c % 5] as number) + (common[(c * 7) % 3] as number)
      return (30 * shared + 8 * (random.next() - 0.5)) * (1 + (c % 4))
    })
  })
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [a, b] = [Math.floor(at / size), at % size]
    return rows.reduce((sum, x) => sum + (x[a] as number) * (x[b] as number), 0) / samples
  })
}

describe('roundInBlocks', () => {
  // One channel, less than a block, its edges, several strips, and more channels than samples.
  it.each([
    [1, 3, 40],
    [31, 5, 60],
    [32, 300, 60],
    [33, 7, 60],
    [128, 4, 200],
    [129, 9, 200],
    [300, 40, 90],
  ])(
    'rounds %i channels and %i outputs as one channel at a time does',
    async (size, outputs, samples) => {
      const covariance = makeCovariance(size, samples, size)
      const random = createRandom(outputs)
      const inputs = size + 5
      const values = Float64Array.from(
        { length: inputs * outputs },
        () => (random.next() - 0.5) * 140,
      )
      values[3] = 0.5
      values[4] = -0.5
      const target = { values, inputs, outputs, limit: LIMIT }
      const expected = new Int8Array(values.length).fill(99)
      const found = new Int8Array(values.length).fill(99)
      roundWithFeedback(target, 2, covariance, expected)
      await roundInBlocks(target, 2, covariance, found, products)
      expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer))).toBe(true)
    },
  )
})

describe('factorize', () => {
  it('gives factors whose product is the damped covariance', async () => {
    const size = 70
    const covariance = makeCovariance(size, 100, 3)
    const order = orderByVariance(covariance, size)
    const { rows, weights } = await factorize(covariance, size, order, 0.01, products)
    const trace = order.reduce((sum, c) => sum + (covariance[c * size + c] as number), 0)
    const factor = (k: number, i: number) => (k === i ? 1 : (rows[k * size + i] as number))
    for (let a = 0; a < size; a++) {
      for (let b = a; b < size; b++) {
        let sum = 0
        for (let k = 0; k <= a; k++) sum += factor(k, a) * (weights[k] as number) * factor(k, b)
        const wanted = covariance[(order[a] as number) * size + (order[b] as number)] as number
        expect(sum).toBeCloseTo(wanted + (a === b ? (0.01 * trace) / size : 0), 6)
      }
    }
  })
})
