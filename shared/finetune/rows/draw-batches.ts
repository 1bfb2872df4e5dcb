import { createRandom } from '../../lib/maths/random.ts'
import type { JudgedRows } from '../evaluate/evaluate-rows.ts'
import type { TrainingBatch } from '../optimise/training-session.ts'
import type { FineTuneSettings } from '../types.ts'
import { planEpoch } from './batches.ts'
import { createPairSampler } from './pairs.ts'
import { groupsOf } from './targets.ts'

/** An endless stream of batches. */
export interface BatchStream {
  readonly perEpoch: number
  next(): TrainingBatch
}

/** Rows in batches of near-equal length, epoch after epoch; pairs of rows for the contrastive loss. */
export function drawBatches(
  { source, rows }: JudgedRows,
  { loss, batchSize, seed }: Pick<FineTuneSettings, 'loss' | 'batchSize' | 'seed'>,
): BatchStream {
  const random = createRandom(seed)
  if (loss.kind === 'contrastive') {
    const sampler = createPairSampler(groupsOf(rows), batchSize, random)
    return { perEpoch: sampler.batchesPerEpoch, next: () => sampler.next() }
  }
  let epoch: Int32Array[] = []
  return {
    perEpoch: Math.ceil(rows.texts.length / batchSize),
    next() {
      if (epoch.length === 0) epoch = planEpoch(source.lengths, batchSize, random).reverse()
      return { rows: epoch.pop() as Int32Array }
    },
  }
}
