import { createRandom, type Random } from '../../lib/maths/random.ts'
import type { FineTuneSettings } from '../types.ts'
import { groupsOf, type LabelledRows } from './labelled-rows.ts'
import { createPairSampler, type TrainingBatch } from './pairs.ts'

/** Batches whose rows are sorted together: far enough to find equal lengths, near enough to stay random. */
const SORTED_BATCHES = 50

/** An endless stream of batches. */
export interface BatchStream {
  readonly perEpoch: number
  next(): TrainingBatch
}

/** Rows in batches of near-equal length, epoch after epoch; pairs of rows for the contrastive loss. */
export function drawBatches(
  { source, rows }: LabelledRows,
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

/**
 * One epoch in batches of rows of near-equal length: rows are shuffled, sorted by length within 50 batches,
 * cut, and the batches shuffled. Each row comes once; one batch may be smaller.
 * @param lengths tokens of each row
 */
export function planEpoch(lengths: Int32Array, batchSize: number, random: Random): Int32Array[] {
  const rows = random.shuffle(Int32Array.from(lengths, (_, row) => row))
  const batches: Int32Array[] = []
  const span = batchSize * SORTED_BATCHES
  for (let start = 0; start < rows.length; start += span) {
    const window = rows.subarray(start, start + span)
    // Rows of one length stay in their random order: typed arrays sort stably.
    window.sort((a, b) => (lengths[a] as number) - (lengths[b] as number))
    for (let at = 0; at < window.length; at += batchSize) {
      batches.push(window.slice(at, at + batchSize))
    }
  }
  return shuffleBatches(batches, random)
}

/** All rows in batches of near-equal length, longest last: for passes whose order is of no meaning. */
export function planPass(lengths: Int32Array, batchSize: number): Int32Array[] {
  const rows = Int32Array.from(lengths, (_, row) => row)
  rows.sort((a, b) => (lengths[a] as number) - (lengths[b] as number))
  const batches: Int32Array[] = []
  for (let at = 0; at < rows.length; at += batchSize) batches.push(rows.slice(at, at + batchSize))
  return batches
}

function shuffleBatches(batches: readonly Int32Array[], random: Random): Int32Array[] {
  const order = random.shuffle(Int32Array.from(batches, (_, at) => at))
  return Array.from(order, (at) => batches[at] as Int32Array)
}
