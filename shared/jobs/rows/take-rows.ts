/** The vectors of some rows, shape [rows, dimension]. */
export function takeRows(
  vectors: Float32Array | Float64Array,
  rows: readonly number[],
  dimension: number,
): Float32Array {
  const taken = new Float32Array(rows.length * dimension)
  for (const [to, from] of rows.entries()) {
    taken.set(vectors.subarray(from * dimension, (from + 1) * dimension), to * dimension)
  }
  return taken
}
