import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import type { NeighbourMemory } from './head.ts'

/** The nearest rows of a memory for each embedding, best first. */
export type Neighbours = NearestRows

/** Rounds embeddings to int8 with a scale per row: 127 stands for the row's largest magnitude. */
export function quantizeRows(
  embeddings: Float32Array,
  dimension: number,
): { embeddings: Int8Array; scales: Float32Array } {
  const rows = embeddings.length / dimension
  const quantized = new Int8Array(embeddings.length)
  const scales = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    const from = row * dimension
    let largest = 0
    for (let i = from; i < from + dimension; i++)
      largest = Math.max(largest, Math.abs(embeddings[i]!))
    scales[row] = largest / 127
    const scale = scales[row]!
    if (scale === 0) continue
    for (let i = from; i < from + dimension; i++) quantized[i] = Math.round(embeddings[i]! / scale)
  }
  return { embeddings: quantized, scales }
}

/** The float32 rows that a memory stands for, shape [rows, dimension]. */
export function memoryRows(memory: NeighbourMemory): Float32Array {
  const rows = memory.scales.length
  const dimension = memory.embeddings.length / rows
  const out = new Float32Array(memory.embeddings.length)
  for (let i = 0; i < out.length; i++) {
    out[i] = memory.embeddings[i]! * memory.scales[Math.floor(i / dimension)]!
  }
  return out
}

/**
 * Adds the votes of one row's neighbours to `votes` [labels], in sum `share`.
 * `from` is the place of the row's first neighbour.
 */
export function addVotes(
  memory: Pick<NeighbourMemory, 'labels' | 'k' | 'temperature'>,
  neighbours: Neighbours,
  from: number,
  share: number,
  votes: Float64Array | Float32Array,
): void {
  const { similarities, indices } = neighbours
  const count = Math.min(memory.k, neighbours.k)
  const best = similarities[from]!
  let total = 0
  for (let i = from; i < from + count; i++) {
    total += Math.exp((similarities[i]! - best) / memory.temperature)
  }
  for (let i = from; i < from + count; i++) {
    const weight = Math.exp((similarities[i]! - best) / memory.temperature) / total
    const label = memory.labels[indices[i]!]!
    votes[label] = votes[label]! + share * weight
  }
}
