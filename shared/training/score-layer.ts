import { createRandom } from '../lib/maths/random.ts'
import { sampleRows } from './folds.ts'
import { scoreLogMe } from './logme.ts'
import type { TrainingSet } from './types.ts'

/**
 * LogME of the features of a layer on at most `maxRows` rows, a seeded stratified sample: the same rows for each
 * layer of a comparison. Null where rows have several labels.
 */
export function scoreLayer(
  { embeddings, dimension, labels, targets }: TrainingSet,
  maxRows: number,
  seed: number,
): number | null {
  if (targets === null) return null
  const kept = sampleRows(targets, maxRows, createRandom(seed))
  const data = new Float32Array(kept.length * dimension)
  kept.forEach((row, at) => {
    data.set(embeddings.subarray(row * dimension, (row + 1) * dimension), at * dimension)
  })
  const known = Int32Array.from(kept, (row) => targets[row]!)
  return scoreLogMe({ data, rows: kept.length, columns: dimension }, known, labels.length)
}
