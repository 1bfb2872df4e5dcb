import { describe, expect, it } from 'vitest'
import { measureDistances, stackHeads } from '../../../shared/head/columns.ts'
import type { Head } from '../../../shared/head/head.ts'
import { headBytes } from '../../../shared/head/head.ts'
import { memoryRows, quantizeRows } from '../../../shared/head/neighbours.ts'
import { predict } from '../../../shared/head/predict.ts'
import { findNeighbours } from '../../fakes/find-neighbours.ts'

const head: Head = {
  family: 'f',
  dimension: 2,
  labels: ['a', 'b', 'c'],
  activation: 'softmax',
  weights: Float32Array.of(1, 0, 0, 1, -1, 0),
  bias: Float32Array.of(0, 0.5, 0),
  temperature: 1,
  memory: null,
  adjustment: null,
  thresholds: null,
  detector: null,
}

/** Applies the stacked columns as a server would and predicts with each head. */
function serve(heads: readonly Head[], embeddings: Float32Array, options = {}) {
  const stack = stackHeads(heads)
  const { columns, weights, bias, places } = stack
  const dimension = heads[0]!.dimension
  const width = bias.length
  const rows = embeddings.length / dimension
  const products = new Float32Array(rows * width)
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < width; c++) {
      let sum = bias[c]!
      for (let i = 0; i < dimension; i++) {
        sum += embeddings[r * dimension + i]! * weights[c * dimension + i]!
      }
      products[r * width + c] = sum
    }
  }
  const scores = measureDistances(stack, products)
  return heads.map((each, index) => {
    const neighbours = each.memory ? findNeighbours(each.memory, embeddings) : undefined
    const input = { scores, rows, stride: columns, place: places[index]!, neighbours }
    return predict(each, input, options)
  })
}

describe('predict', () => {
  it('computes the softmax by hand, ranked, cut to topK', () => {
    const [first, second] = serve([head], Float32Array.of(1, 0, 0, 1), { topK: 2 })[0]!
    const total = Math.E + Math.exp(0.5) + Math.exp(-1)
    expect(first).toMatchObject({ label: 'a', inDistribution: null, oodScore: null })
    expect(first!.score).toBeCloseTo(Math.E / total, 6)
    expect(first!.labels).toHaveLength(2)
    expect(second).toMatchObject({ label: 'b' })
  })

  it('sharpens with a temperature below one', () => {
    const sharp = { ...head, temperature: 0.25 }
    const [soft, hard] = serve([head, sharp], Float32Array.of(1, 0)).map(([answer]) => answer)
    expect(hard!.score).toBeGreaterThan(soft!.score)
  })

  it('answers null below a threshold, and still says how sure it was', () => {
    const answer = serve([head], Float32Array.of(1, 0), { threshold: 0.99 })[0]![0]!
    expect(answer).toMatchObject({ label: null, labels: [] })
    expect(answer.score).toBeGreaterThan(0.5)
  })

  it('lists the independent labels that reach their own thresholds', () => {
    const multi: Head = {
      ...head,
      activation: 'sigmoid',
      thresholds: Float32Array.of(0.5, 0.9, 0.1),
    }
    const answer = serve([multi], Float32Array.of(1, 0))[0]![0]!
    const labels = answer.labels.map(({ label }) => label)
    expect(labels).toEqual(['a', 'c'])
  })

  it('mixes in the votes of the nearest memories', () => {
    const memory = {
      ...quantizeRows(Float32Array.of(1, 0, 0, 1, 0.6, 0.8), 2),
      labels: Int32Array.of(2, 1, 1),
      k: 1,
      temperature: 0.1,
      weight: 0.9,
    }
    const answer = serve([{ ...head, memory }], Float32Array.of(1, 0))[0]![0]!
    expect(answer).toMatchObject({ label: 'c' })
    expect(answer.score).toBeGreaterThan(0.9)
    expect(headBytes({ ...head, memory })).toBeGreaterThan(headBytes(head))
  })

  it('removes priors where an adjustment says so', () => {
    const adjusted = { ...head, adjustment: Float32Array.of(-5, 0, 0) }
    const answer = serve([adjusted], Float32Array.of(1, 0))[0]![0]!
    expect(answer).toMatchObject({ label: 'b' })
  })

  it('measures the relative Mahalanobis distance by hand, beside other heads in the same product', () => {
    const detector = {
      projection: Float32Array.of(2, 0),
      offset: Float32Array.of(1),
      means: Float32Array.of(3, -1),
      background: Float32Array.of(0.1),
      threshold: 0.5,
    }
    // y = 2·1 + 1 = 3: at a mean, minus 0.1·9. Then y = 2·0 + 1 = 1: 4 from both, minus 0.1.
    const [, rows] = serve([head, { ...head, detector }, head], Float32Array.of(1, 0, 0, 1))
    expect(rows![0]).toMatchObject({ label: 'a', inDistribution: true })
    expect(rows![0]!.oodScore).toBeCloseTo(-0.9, 6)
    expect(rows![1]).toMatchObject({ inDistribution: false })
    expect(rows![1]!.oodScore).toBeCloseTo(3.9, 6)
  })

  it('keeps memories within half a step of int8', () => {
    const values = Float32Array.of(0.3, -0.9, 0.1, 0, 0, 0)
    const quantized = quantizeRows(values, 3)
    const memory = { ...quantized, labels: new Int32Array(2), k: 1, temperature: 1, weight: 1 }
    const rows = memoryRows(memory)
    values.forEach((value, i) => {
      expect(Math.abs(rows[i]! - value)).toBeLessThanOrEqual(0.9 / 254 + 1e-7)
    })
  })
})
