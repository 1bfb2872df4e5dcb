/**
 * Writes the largest `values.length` entries of `row`, best first, and their positions.
 * Ties go to the lower position. The outputs must not be longer than `row`.
 */
export function selectLargest(
  row: Float32Array,
  values: Float32Array,
  positions: Int32Array,
): void {
  const k = values.length
  let filled = 0
  let least = Number.NEGATIVE_INFINITY
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!
    if (filled === k && value <= least) continue
    let slot = filled < k ? filled++ : k - 1
    while (slot > 0 && values[slot - 1]! < value) {
      values[slot] = values[slot - 1]!
      positions[slot] = positions[slot - 1]!
      slot--
    }
    values[slot] = value
    positions[slot] = i
    least = values[k - 1]!
  }
}
