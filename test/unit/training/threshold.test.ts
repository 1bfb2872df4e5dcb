import { describe, expect, it } from 'vitest'
import { evaluateHead } from '../../../shared/training/evaluation/evaluate.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const options = { family: 'family', method: 'ncm' } as const

/** The first rows of each class to learn, the others to test on. */
function split(set: TrainingSet & { readonly targets: Int32Array }, learnt: number) {
  const counts = new Map<number, number>()
  const isLearnt = Array.from(set.targets, (target) => {
    const before = counts.get(target) ?? 0
    counts.set(target, before + 1)
    return before < learnt
  })
  const part = (wanted: boolean): TrainingSet => {
    const rows = [...isLearnt.keys()].filter((row) => isLearnt[row] === wanted)
    const { dimension, embeddings, targets } = set
    return {
      ...set,
      embeddings: Float32Array.from(
        rows.flatMap((row) => [...embeddings.subarray(row * dimension, (row + 1) * dimension)]),
      ),
      targets: Int32Array.from(rows, (row) => targets[row]!),
    }
  }
  return { train: part(true), test: part(false) }
}

describe('the threshold of the detector', () => {
  // Classes and rows to learn of each: below and above 100 rows, and where one fold in five measures as all do.
  it.each([
    [10, 6, 0.93, 0.99],
    [15, 8, 0.93, 0.98],
    [10, 16, 0.93, 0.98],
    [5, 40, 0.93, 0.98],
  ])('keeps most ordinary rows: %i classes of %i rows', async (classes, rows, low, high) => {
    let kept = 0
    const draws = 10
    for (let seed = 0; seed < draws; seed++) {
      const counts = new Array<number>(classes).fill(rows + 20)
      const { train, test } = split(makeBlobs(counts, { dimension: 24, seed }), rows)
      const { head } = await trainHead(train, { ...options, seed }, { kernels })
      kept += (await evaluateHead(head, test, kernels)).inDistribution! / draws
    }
    expect(kept).toBeGreaterThan(low)
    expect(kept).toBeLessThan(high)
  })

  it('is not set from fewer than 19 rows that can be held out', async () => {
    const few = await trainHead(makeBlobs([9, 9, 1]), options, { kernels })
    expect(few.head.detector).toBeNull()
    const enough = await trainHead(makeBlobs([9, 10, 1]), options, { kernels })
    expect(enough.head.detector).not.toBeNull()
  })
})
