import type { NeighbourMemory } from '../../shared/head/head.ts'
import type { Neighbours } from '../../shared/head/neighbours.ts'
import { selectLargest } from '../../shared/lib/maths/select-largest.ts'

/** Searches in plain JavaScript; servers run the same search as a graph. */
export function findNeighbours(
  memory: Pick<NeighbourMemory, 'embeddings' | 'scales' | 'k'>,
  embeddings: Float32Array,
): Neighbours {
  const keys = memory.scales.length
  const dimension = memory.embeddings.length / keys
  const rows = embeddings.length / dimension
  const k = Math.min(memory.k, keys)
  const similarities = new Float32Array(rows * k)
  const indices = new Int32Array(rows * k)
  const row = new Float32Array(keys)
  for (let r = 0; r < rows; r++) {
    const x = embeddings.subarray(r * dimension, (r + 1) * dimension)
    for (let i = 0; i < keys; i++) {
      let sum = 0
      for (let j = 0; j < dimension; j++) sum += x[j]! * memory.embeddings[i * dimension + j]!
      row[i] = sum * memory.scales[i]!
    }
    selectLargest(
      row,
      similarities.subarray(r * k, (r + 1) * k),
      indices.subarray(r * k, (r + 1) * k),
    )
  }
  return { similarities, indices, k }
}
