import type { Matrix } from '../../lib/maths/matrix-kernels.ts'

/** The named rows of a matrix, in the order given. */
export function takeRows({ data, columns }: Matrix, rows: Int32Array): Matrix {
  const out = new Float32Array(rows.length * columns)
  for (let i = 0; i < rows.length; i++) {
    out.set(data.subarray(rows[i]! * columns, (rows[i]! + 1) * columns), i * columns)
  }
  return { data: out, rows: rows.length, columns }
}

/** The named entries, in the order given. */
export function takeValues(values: Int32Array, rows: Int32Array): Int32Array {
  return Int32Array.from(rows, (row) => values[row]!)
}

/** One-hot rows, shape [groups.length, classes]. */
export function oneHot(groups: Int32Array, classes: number): Matrix {
  const data = new Float32Array(groups.length * classes)
  groups.forEach((group, row) => {
    data[row * classes + group] = 1
  })
  return { data, rows: groups.length, columns: classes }
}
