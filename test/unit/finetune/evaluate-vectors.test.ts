import { afterAll, describe, expect, test } from 'vitest'
import {
  evaluateVectors,
  type LabelledVectors,
} from '../../../shared/finetune/evaluate/evaluate-vectors.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { openMatrixKernels } from '../../../shared/runtime/kernels/kernels.ts'

const kernels = await openMatrixKernels({ threads: 1 })
afterAll(() => kernels.close())

const WIDTH = 8
const CLASSES = 4

/** Unit vectors near the axes of their labels; a label beyond the axes lies anywhere. */
function vectors(labels: readonly (readonly number[])[], seed: number): LabelledVectors {
  const random = createRandom(seed)
  const embeddings = new Float32Array(labels.length * WIDTH)
  const targets = new Float32Array(labels.length * CLASSES)
  for (const [row, own] of labels.entries()) {
    const vector = embeddings.subarray(row * WIDTH, (row + 1) * WIDTH)
    vector.forEach((_, i) => {
      vector[i] = 0.1 * (random.next() - 0.5) + (own.includes(i) ? 1 : 0)
    })
    const norm = Math.hypot(...vector)
    vector.forEach((value, i) => {
      vector[i] = value / norm
    })
    for (const label of own) targets[row * CLASSES + label] = 1
  }
  const texts = labels.map((_, row) => `text ${row}`)
  return { embeddings, rows: { texts, targets, classes: CLASSES } }
}

const cycle = (count: number, ...labels: number[]) =>
  Array.from({ length: count }, (_, row) => [labels[row % labels.length] as number])

describe('a head on some vectors', () => {
  const options = { kernels, several: false, seed: 1 }

  test('answers others that lie alike', async () => {
    const learnt = vectors(cycle(40, 0, 1, 2, 3), 1)
    const { right } = await evaluateVectors(learnt, vectors(cycle(24, 0, 1, 2, 3), 2), options)
    expect([...right]).toEqual(Array(24).fill(1))
  })

  test('cannot answer a label that it was not taught: wrong, not an error', async () => {
    const learnt = vectors(cycle(30, 0, 1, 2), 1)
    const { right } = await evaluateVectors(learnt, vectors(cycle(24, 0, 1, 2, 3), 2), options)
    expect([...right]).toEqual(cycle(24, 0, 1, 2, 3).map(([label]) => (label === 3 ? 0 : 1)))
    const none = await evaluateVectors(learnt, vectors(cycle(5, 3), 2), options)
    expect(none).toEqual({ right: new Uint8Array(5), cooling: 1, excess: [] })
  })

  test('with several labels a row, goes by those that it was taught', async () => {
    const sets = Array.from({ length: 48 }, (_, row) => [0, 1].filter((bit) => (row >> bit) & 1))
    const several = { ...options, several: true }
    const { right } = await evaluateVectors(
      vectors(sets, 3),
      vectors(sets.slice(0, 24), 4),
      several,
    )
    expect([...right]).toEqual(Array(24).fill(1))
    // A label on every row, or on none, cannot be taught either.
    const all = vectors(cycle(20, 0), 5)
    expect((await evaluateVectors(all, all, several)).right).toEqual(new Uint8Array(20))
  })
})
