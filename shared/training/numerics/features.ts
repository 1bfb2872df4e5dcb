/** Rows of numbers as a file or an encoder gives them; float64 where the source has it. */
export interface Features {
  /** Shape [rows, columns], row-major. */
  readonly data: Float32Array | Float64Array
  readonly rows: number
  readonly columns: number
}

/** Divides each row by its sum (counts to shares) or by its length; a row of zeros stays. */
export function scaleRows({ data, rows, columns }: Features, rule: 'sum' | 'length'): Features {
  const out = new Float64Array(data.length)
  for (let i = 0; i < rows; i++) {
    const from = i * columns
    let size = 0
    for (let j = from; j < from + columns; j++) {
      size += rule === 'sum' ? data[j]! : data[j]! * data[j]!
    }
    const divisor = (rule === 'sum' ? size : Math.sqrt(size)) || 1
    for (let j = from; j < from + columns; j++) out[j] = data[j]! / divisor
  }
  return { data: out, rows, columns }
}

/**
 * Xᵀ X in float64, shape [columns, columns].
 * Four rows at a time save three of four passes over the result.
 */
export function gramOfColumns({ data, rows, columns: d }: Features): Float64Array {
  const out = new Float64Array(d * d)
  const block = new Float64Array(4 * d)
  for (let i = 0; i < rows; i += 4) {
    block.fill(0)
    block.set(data.subarray(i * d, Math.min(i + 4, rows) * d))
    for (let a = 0; a < d; a++) {
      const [x0, x1, x2, x3] = [block[a]!, block[d + a]!, block[2 * d + a]!, block[3 * d + a]!]
      if (x0 === 0 && x1 === 0 && x2 === 0 && x3 === 0) continue
      const at = a * d
      for (let b = a; b < d; b++) {
        out[at + b] =
          out[at + b]! +
          x0 * block[b]! +
          x1 * block[d + b]! +
          x2 * block[2 * d + b]! +
          x3 * block[3 * d + b]!
      }
    }
  }
  for (let a = 0; a < d; a++) for (let b = 0; b < a; b++) out[a * d + b] = out[b * d + a]!
  return out
}

/** The transposed rows, so that the smaller of the two Gram matrices can be taken. */
export function transposeFeatures({ data, rows, columns }: Features): Features {
  const out = new Float64Array(data.length)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!
  }
  return { data: out, rows: columns, columns: rows }
}
