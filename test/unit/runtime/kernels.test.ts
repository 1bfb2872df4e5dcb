import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import {
  type OwnedMatrixKernels,
  openMatrixKernels,
} from '../../../shared/runtime/kernels/kernels.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'

const random = createRandom(5)
const plain = plainKernels()
let kernels: OwnedMatrixKernels

function randomMatrix(rows: number, columns: number) {
  const data = Float32Array.from({ length: rows * columns }, () => 2 * random.next() - 1)
  return { data, rows, columns }
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length)
  for (let i = 0; i < found.length; i++) expect(found[i]).toBeCloseTo(expected[i]!, 4)
}

describe('matrix kernels on ONNX Runtime equal the plain ones', () => {
  beforeAll(async () => {
    kernels = await openMatrixKernels({ threads: 1 })
  })
  afterAll(() => kernels.close())

  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('multiply, transposes %s and %s', async (transposeA, transposeB) => {
    const a = transposeA ? randomMatrix(7, 5) : randomMatrix(5, 7)
    const b = transposeB ? randomMatrix(3, 7) : randomMatrix(7, 3)
    const options = { transposeA, transposeB }
    const found = await kernels.multiply(a, b, options)
    const expected = await plain.multiply(a, b, options)
    expect([found.rows, found.columns]).toEqual([5, 3])
    expectClose(found.data, expected.data)
  })

  it.each(['softmax', 'sigmoid'] as const)('loss and gradient of %s', async (activation) => {
    const targets = { data: new Float32Array(40), rows: 10, columns: 4 }
    for (let row = 0; row < 10; row++) targets.data[row * 4 + random.below(4)] = 1
    const rowWeights = Float32Array.from({ length: 10 }, (_, i) => (i + 1) / 55)
    const rows = { features: randomMatrix(10, 6), targets, rowWeights, activation }
    const weights = new Float64Array(randomMatrix(4, 6).data).map((value) => 20 * value)
    const bias = Float64Array.of(0.5, -1, 2, 90)
    const found = await kernels.loss(rows, weights, bias)
    const expected = await plain.loss(rows, weights, bias)
    expect(found.loss).toBeCloseTo(expected.loss, 3)
    expectClose(found.gradient, expected.gradient)
    expectClose(found.biasGradient, expected.biasGradient)
    expectClose(found.curvature, expected.curvature)
  })

  it('nearest rows, over several blocks of queries and with ties to the lower row', async () => {
    const keys = randomMatrix(50, 8)
    keys.data.copyWithin(8 * 40, 8 * 3, 8 * 4)
    const queries = randomMatrix(600, 8)
    const found = await kernels.nearest(queries, keys, 6)
    const expected = await plain.nearest(queries, keys, 6)
    expect(found.k).toBe(6)
    expectClose(found.similarities, expected.similarities)
    const same = found.indices.filter((index, i) => index === expected.indices[i])
    expect(same.length).toBeGreaterThan(0.99 * found.indices.length)
    expect((await kernels.nearest(queries, keys, 99)).k).toBe(50)
  })
})
