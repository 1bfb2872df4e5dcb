import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { createBasis, toBasis } from '../numerics/basis.ts'
import { takeRows } from '../numerics/rows.ts'

/** A key that is close to a query. */
export interface CloseKey {
  readonly key: number
  /** In float64, rounded, so that it does not depend on how the product was computed. */
  readonly cosine: number
}

export interface CloseSearch {
  readonly queries: Matrix
  /** The queries themselves where `earlier`. */
  readonly keys: Matrix
  readonly least: number
  /** Each query is compared with the rows before it alone. */
  readonly earlier: boolean
}

/** A product of both has 32 MB. */
const QUERY_BLOCK = 512
const KEY_BLOCK = 16_384
/** Of many close keys the closest are taken, so that time and memory stay bounded. */
const MOST_KEYS = 64
/** With more keys a search in fewer directions comes first. */
const MANY_KEYS = 15_000
const DIRECTIONS = 64
const SAMPLED_ROWS = 4_000
/** What float32 products may be wrong by. */
const SLACK = 1e-4

/**
 * Tells of each query which keys have a cosine of at least `least` with it, the closest first, 64 at most.
 * The time grows with queries times keys, the memory with their sum.
 */
export async function searchClose(
  kernels: MatrixKernels,
  search: CloseSearch,
  onFound: (query: number, keys: readonly CloseKey[]) => void,
): Promise<void> {
  const { queries, keys, least, earlier } = search
  const filter = await createFilter(kernels, search)
  for (let start = 0; start < queries.rows; start += QUERY_BLOCK) {
    const rows = Math.min(QUERY_BLOCK, queries.rows - start)
    const found = Array.from({ length: rows }, (): Candidate[] => [])
    const block = sliceRows(filter.queries, start, rows)
    const end = earlier ? start + rows : keys.rows
    for (let first = 0; first < end; first += KEY_BLOCK) {
      const compared = sliceRows(filter.keys, first, Math.min(KEY_BLOCK, end - first))
      const products = await kernels.multiply(block, compared, { transposeB: true })
      collect(products, filter.least, first, earlier ? start : null, found)
    }
    for (const [row, candidates] of found.entries()) {
      const query = start + row
      const close = takeBest(candidates).flatMap(({ key }) => {
        const cosine = cosineOf(queries, query, keys, key)
        return cosine >= least ? [{ key, cosine }] : []
      })
      if (close.length === 0) continue
      onFound(
        query,
        close.sort((a, b) => b.cosine - a.cosine || a.key - b.key),
      )
    }
  }
}

interface Candidate {
  readonly key: number
  readonly product: number
}

function collect(
  { data, rows, columns }: Matrix,
  least: number,
  first: number,
  start: number | null,
  found: readonly Candidate[][],
): void {
  for (let row = 0; row < rows; row++) {
    const from = row * columns
    // Rows that are compared with themselves: what comes later sees this one.
    const end = start === null ? columns : Math.min(columns, start + row - first)
    for (let column = 0; column < end; column++) {
      const product = data[from + column]!
      if (product < least) continue
      const candidates = found[row]!
      candidates.push({ key: first + column, product: Math.round(product * 1e5) })
      if (candidates.length >= 16 * MOST_KEYS)
        candidates.splice(0, Infinity, ...takeBest(candidates))
    }
  }
}

function takeBest(candidates: Candidate[]): Candidate[] {
  if (candidates.length <= MOST_KEYS) return candidates
  return candidates.toSorted((a, b) => b.product - a.product || a.key - b.key).slice(0, MOST_KEYS)
}

interface Filter {
  readonly queries: Matrix
  readonly keys: Matrix
  /** Products of close rows are at least this. */
  readonly least: number
}

/**
 * With many keys, rows are first compared in the strongest principal directions alone. Unit vectors are close where
 * |x - y|² <= 2 (1 - cosine), and no projection is longer than what it is of: nothing close is lost.
 */
async function createFilter(kernels: MatrixKernels, search: CloseSearch): Promise<Filter> {
  const { queries, keys, least, earlier } = search
  if (keys.rows <= MANY_KEYS || keys.columns <= 2 * DIRECTIONS) {
    return { queries, keys, least: least - SLACK }
  }
  const step = Math.ceil(keys.rows / SAMPLED_ROWS)
  const length = Math.ceil(keys.rows / step)
  const sample = takeRows(
    keys,
    Int32Array.from({ length }, (_, i) => i * step),
  )
  const basis = await createBasis(kernels, sample)
  const directions = Math.min(DIRECTIONS, basis.rotation.columns)
  const strongest = { ...basis, rotation: firstColumns(basis.rotation, directions) }
  const projectedKeys = await toBasis(kernels, strongest, keys)
  const projected = earlier ? projectedKeys : await toBasis(kernels, strongest, queries)
  // x·y - |x|²/2 - |y|²/2 = -|x - y|²/2, as one product.
  return {
    queries: appendColumns(projected, (half) => [-half, 1]),
    keys: appendColumns(projectedKeys, (half) => [1, -half]),
    least: -(1 - least) - SLACK,
  }
}

function firstColumns({ data, rows, columns }: Matrix, count: number): Matrix {
  const out = new Float32Array(rows * count)
  for (let i = 0; i < rows; i++) {
    out.set(data.subarray(i * columns, i * columns + count), i * count)
  }
  return { data: out, rows, columns: count }
}

function appendColumns(
  { data, rows, columns }: Matrix,
  append: (halfSquare: number) => readonly [number, number],
): Matrix {
  const width = columns + 2
  const out = new Float32Array(rows * width)
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * columns, (i + 1) * columns)
    let square = 0
    for (const value of row) square += value * value
    out.set(row, i * width)
    out.set(append(square / 2), i * width + columns)
  }
  return { data: out, rows, columns: width }
}

function sliceRows({ data, columns }: Matrix, start: number, rows: number): Matrix {
  return { data: data.subarray(start * columns, (start + rows) * columns), rows, columns }
}

function cosineOf(queries: Matrix, query: number, keys: Matrix, key: number): number {
  const { columns } = queries
  let product = 0
  for (let i = 0; i < columns; i++) {
    product += queries.data[query * columns + i]! * keys.data[key * columns + i]!
  }
  return Math.round(product * 1e6) / 1e6
}
