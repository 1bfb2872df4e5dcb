/** Unit vectors of some texts of a job, gathered from the runs that made them. */
export class UnitRows {
  /** Shape [members, dimension]. */
  readonly values: Float32Array
  /** Shape [members]: what the pooled vectors' lengths were; 1 where nobody knows. */
  readonly norms: Float32Array
  readonly #places = new Map<number, number>()
  readonly #dimension: number

  constructor(members: readonly number[], dimension: number) {
    this.#dimension = dimension
    members.forEach((member, place) => {
      this.#places.set(member, place)
    })
    this.values = new Float32Array(members.length * dimension)
    this.norms = new Float32Array(members.length).fill(1)
  }

  set(members: readonly number[], vectors: Float32Array, norms?: ArrayLike<number>): void {
    const size = this.#dimension
    members.forEach((member, row) => {
      const place = this.#places.get(member) as number
      this.values.set(vectors.subarray(row * size, (row + 1) * size), place * size)
      this.norms[place] = norms?.[row] ?? 1
    })
  }
}

/** Unit rows; a zero row stays zero. */
export function normalizeRows(matrix: Float32Array, dimension: number): Float32Array {
  const unit = new Float32Array(matrix.length)
  for (let from = 0; from < matrix.length; from += dimension) {
    let sum = 0
    for (let i = from; i < from + dimension; i++) sum += (matrix[i] as number) ** 2
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0
    for (let i = from; i < from + dimension; i++) unit[i] = (matrix[i] as number) * scale
  }
  return unit
}
