import { describe, expect, test } from 'vitest'
import { measureDistances, type StackedHeads, stackHeads } from '../../../shared/head/columns.ts'
import { quantizeRows } from '../../../shared/head/neighbours.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { createMemoryKernel } from '../../../shared/runtime/kernels/memory.ts'
import { createProjectionKernel } from '../../../shared/runtime/kernels/projection.ts'
import { findNeighbours } from '../../fakes/find-neighbours.ts'
import { createTestHead } from '../../fakes/heads.ts'

const DIMENSION = 96
const ROWS = 70
const random = createRandom(3)
const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.next() - 1)

function unitRows(rows: number): Float32Array {
  const values = numbers(rows * DIMENSION)
  for (let from = 0; from < values.length; from += DIMENSION) {
    const row = values.subarray(from, from + DIMENSION)
    const norm = Math.hypot(...row)
    row.forEach((value, i) => {
      row[i] = value / norm
    })
  }
  return values
}

const vectors = unitRows(ROWS)

/** Every part of the batch must give the bits that the whole gives. */
async function expectRowsAlone<T extends ArrayLike<number>>(
  whole: T,
  width: number,
  run: (part: Float32Array, rows: number) => Promise<T>,
): Promise<void> {
  for (const size of [1, 2, 3, 5, 8, 17, 33]) {
    for (let from = 0; from + size <= ROWS; from += size) {
      const part = vectors.subarray(from * DIMENSION, (from + size) * DIMENSION)
      const own = await run(part, size)
      const expected = Array.from(whole).slice(from * width, (from + size) * width)
      expect(Array.from(own), `rows ${from} to ${from + size}`).toEqual(expected)
    }
  }
}

describe('memory', () => {
  const count = 700
  const memory = { id: 1, ...quantizeRows(unitRows(count), DIMENSION), k: 9 }

  test('finds what a plain search finds', async () => {
    const kernel = await createMemoryKernel(memory, DIMENSION)
    const found = await kernel.search(vectors, ROWS)
    const plain = findNeighbours(memory, vectors)
    expect(found.k).toBe(9)
    expect(found.indices).toEqual(plain.indices)
    plain.similarities.forEach((similarity, i) => {
      expect(found.similarities[i]).toBeCloseTo(similarity, 5)
    })
    await kernel.release()
  })

  test('gives each row the same bits whatever is beside it', async () => {
    const kernel = await createMemoryKernel(memory, DIMENSION)
    const { similarities } = await kernel.search(vectors, ROWS)
    await expectRowsAlone(
      similarities,
      9,
      async (part, rows) => (await kernel.search(part, rows)).similarities,
    )
    await kernel.release()
  })

  test('equal rows are taken in order, and no more than there are', async () => {
    const row = unitRows(1)
    const same = new Float32Array(4 * DIMENSION)
    for (let i = 0; i < 4; i++) same.set(row, i * DIMENSION)
    const small = { id: 1, ...quantizeRows(same, DIMENSION), k: 9 }
    const kernel = await createMemoryKernel(small, DIMENSION)
    const { indices, k } = await kernel.search(row, 1)
    expect(k).toBe(4)
    expect([...indices]).toEqual([0, 1, 2, 3])
    await kernel.release()
  })
})

describe('projection', () => {
  function detector(rank: number, groups: number) {
    return {
      projection: numbers(rank * DIMENSION),
      offset: numbers(rank),
      means: numbers(rank * groups),
      background: numbers(rank).map(Math.abs),
      threshold: 0,
    }
  }
  const heads = [
    createTestHead('plain', { dimension: DIMENSION }, 5),
    createTestHead('one', { dimension: DIMENSION, detector: detector(1, 2) }, 2),
    createTestHead('many', { dimension: DIMENSION, detector: detector(40, 41) }, 41),
  ]

  function multiply({ weights, bias }: StackedHeads): Float32Array {
    const width = bias.length
    return Float32Array.from({ length: ROWS * width }, (_, at) => {
      const column = at % width
      const x = vectors.subarray(Math.floor(at / width) * DIMENSION)
      let sum = bias[column]!
      for (let i = 0; i < DIMENSION; i++) sum += x[i]! * weights[column * DIMENSION + i]!
      return sum
    })
  }

  test('scores labels and distances of all heads as plain code does', async () => {
    const stack = stackHeads(heads)
    const kernel = await createProjectionKernel({ id: 1, ...stack }, DIMENSION)
    const scores = await kernel.project(vectors, ROWS)
    const plain = measureDistances(stack, multiply(stack))
    expect(kernel.columns).toBe(5 + 2 + 41 + 2)
    expect(scores).toHaveLength(plain.length)
    plain.forEach((score, i) => {
      expect(scores[i]).toBeCloseTo(score, 3)
    })
    await kernel.release()
  })

  test('gives each row the same bits whatever is beside it', async () => {
    const kernel = await createProjectionKernel({ id: 1, ...stackHeads(heads) }, DIMENSION)
    const scores = await kernel.project(vectors, ROWS)
    await expectRowsAlone(scores, kernel.columns, (part, rows) => kernel.project(part, rows))
    await kernel.release()
  })
})
