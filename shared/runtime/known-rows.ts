import type { Batch } from './job-batches.ts'
import type { JobOutput } from './job-output.ts'
import type { KnownRows } from './protocol.ts'
import type { UnitRows } from './unit-rows.ts'

/** Puts the vectors that came with the job where the runs put theirs. */
export function takeKnown(
  { rows, vectors, norms }: KnownRows,
  { mode, members }: Batch,
  output: JobOutput,
  unit: UnitRows,
  dimension: number,
): void {
  const inBatch = new Set(members)
  rows.forEach((row, at) => {
    if (!inBatch.has(row)) return
    const vector = vectors.subarray(at * dimension, (at + 1) * dimension)
    output.setVectors([row], vector)
    output.norms[row] = norms[at] as number
    if (mode.projection !== 0) unit.set([row], vector, norms.subarray(at, at + 1))
  })
}
