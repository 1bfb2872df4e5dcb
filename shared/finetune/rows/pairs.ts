import type { Random } from '../../lib/maths/random.ts'

/** One batch of the contrastive loss: rows, and which pairs of them count for what. */
export interface PairBatch {
  readonly rows: Int32Array
  /** Wanted cosine of each pair, [rows, rows]: 1 for one label, 0 for two. */
  readonly targets: Float32Array
  /** How much each pair counts, [rows, rows]; pairs of one label and of two count the same in sum. */
  readonly weights: Float32Array
}

/** Rows of one step; with the contrastive loss also what is wanted of their pairs. */
export type TrainingBatch = Pick<PairBatch, 'rows'> & Partial<PairBatch>

/** Rows of one label in a batch, where there are as many. */
const ROWS_PER_LABEL = 4

/** Draws batches of pairs. */
export interface PairSampler {
  /** Batches that hold as many rows as there are. */
  readonly batchesPerEpoch: number
  next(): PairBatch
}

/**
 * Positive and negative pairs for SetFit's contrastive step (Tunstall et al., 2022,
 * https://arxiv.org/abs/2209.11055). A batch holds a few rows of several labels and uses every pair of them,
 * so that B texts of forward pass teach B (B - 1) / 2 pairs; the two kinds count alike.
 * @param groups label of each row
 */
export function createPairSampler(
  groups: Int32Array,
  batchSize: number,
  random: Random,
): PairSampler {
  const queues = collectGroups(groups).map((rows) => new RowQueue(rows, random))
  const order = new RowQueue(
    queues.map((_, at) => at),
    random,
  )
  return {
    batchesPerEpoch: Math.ceil(groups.length / batchSize),
    next() {
      const rows = new Set<number>()
      // Rounds over the labels, in random order, until the batch is full or every row is in it.
      const size = Math.min(batchSize, groups.length)
      while (rows.size < size) {
        const queue = queues[order.next()] as RowQueue
        const take = Math.min(ROWS_PER_LABEL, queue.size, size - rows.size)
        for (let i = 0; i < take; i++) rows.add(queue.next())
      }
      return weighPairs(Int32Array.from(rows), groups)
    },
  }
}

/** Gives values in random order, again and again; each comes once before any comes twice. */
class RowQueue {
  readonly #values: Int32Array
  readonly #random: Random
  #at: number

  constructor(values: readonly number[], random: Random) {
    this.#values = Int32Array.from(values)
    this.#random = random
    this.#at = values.length
  }

  get size(): number {
    return this.#values.length
  }

  next(): number {
    if (this.#at >= this.#values.length) {
      this.#random.shuffle(this.#values)
      this.#at = 0
    }
    return this.#values[this.#at++] as number
  }
}

function collectGroups(groups: Int32Array): number[][] {
  const members = new Map<number, number[]>()
  for (const [row, group] of groups.entries()) {
    const list = members.get(group)
    if (list) list.push(row)
    else members.set(group, [row])
  }
  return [...members].sort(([a], [b]) => a - b).map(([, rows]) => rows)
}

/** Every pair of the rows, those of one label and those of two alike in sum. */
export function weighPairs(rows: Int32Array, groups: Int32Array): PairBatch {
  const n = rows.length
  const targets = new Float32Array(n * n)
  let positive = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (groups[rows[i] as number] !== groups[rows[j] as number]) continue
      targets[i * n + j] = 1
      if (i !== j) positive++
    }
  }
  const negative = n * n - n - positive
  const weights = new Float32Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (i === j) continue
      const count = targets[i * n + j] === 1 ? positive : negative
      weights[i * n + j] = (n * n - n) / (2 * count)
    }
  }
  return { rows, targets, weights }
}
