import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { takeRows } from '../numerics/rows.ts'
import { type CloseKey, searchClose } from './close-rows.ts'
import { CLOSE, comparedText, EQUAL, isSame } from './similar-texts.ts'

/** Rows to compare. */
export interface ComparedRows {
  /** L2-normalised, shape [rows, dimension]. */
  readonly vectors: Matrix
  /** Shape [rows]; null for images, which are compared by their vectors alone. */
  readonly texts: readonly string[] | null
}

/** Groups of rows that say the same. */
export interface NearDuplicates {
  /** Shape [rows]: the row's group, or -1 where no other row is like it. */
  readonly groupOf: Int32Array
  /** Rows of each group, ascending, two at least; groups in the order of their first rows. */
  readonly groups: readonly (readonly number[])[]
  /** Pairs that stand in two groups because one would have been too large. */
  readonly parted: number
  /** Pairs of rows that say the same, the closest first: enough to join all of a group, not all that there are. */
  readonly links: readonly CloseRows[]
}

/** Two rows that say the same. */
export interface CloseRows {
  /** The earlier one. */
  readonly a: number
  readonly b: number
  /** Of their vectors; 2 where their texts have the same letters and digits. */
  readonly cosine: number
}

/** Close rows that are kept of each row: enough to join a group. */
const MOST_LINKS = 8

/**
 * Finds near-duplicates: texts with the same letters and digits, rows of a cosine of 0.95 with at least 85 % of their pairs of
 * characters in common, and rows of a cosine of 0.99. Groups are joined from the closest pair on (single linkage) while
 * they have at most `mostInGroup` rows, so that chains of likeness cannot join everything. Deterministic.
 */
export async function findNearDuplicates(
  { vectors, texts }: ComparedRows,
  kernels: MatrixKernels,
): Promise<NearDuplicates> {
  const { rows } = vectors
  const compared = texts?.map(comparedText) ?? null
  const links: CloseRows[] = []
  const first = new Map<string, number>()
  const different: number[] = []
  for (let row = 0; row < rows; row++) {
    const known = compared === null ? undefined : first.get(compared[row]!)
    if (known === undefined) {
      if (compared !== null) first.set(compared[row]!, row)
      different.push(row)
    } else links.push({ a: known, b: row, cosine: 2 })
  }
  const places = Int32Array.from(different)
  const queries = different.length === rows ? vectors : takeRows(vectors, places)
  const search = { queries, keys: queries, least: leastOf(compared), earlier: true }
  await searchClose(kernels, search, (query, keys) => {
    let kept = 0
    for (const { key, cosine } of keys) {
      const [a, b] = [places[key]!, places[query]!]
      if (!isSame(compared?.[a], compared?.[b], cosine)) continue
      links.push({ a, b, cosine })
      if (++kept === MOST_LINKS) break
    }
  })
  return joinLinks(rows, links)
}

/**
 * Tells of each row which of the others it is a near-duplicate of: the closest, or -1. Shape [rows].
 */
export async function findCopies(
  rows: ComparedRows,
  others: ComparedRows,
  kernels: MatrixKernels,
): Promise<Int32Array> {
  const copies = new Int32Array(rows.vectors.rows).fill(-1)
  const compared = rows.texts?.map(comparedText) ?? null
  const known = others.texts?.map(comparedText) ?? null
  const search = {
    ...{ queries: rows.vectors, keys: others.vectors },
    ...{ least: leastOf(compared), earlier: false },
  }
  await searchClose(kernels, search, (query, keys) => {
    const isCopy = ({ key, cosine }: CloseKey) => isSame(compared?.[query], known?.[key], cosine)
    copies[query] = keys.find(isCopy)?.key ?? -1
  })
  const places = new Map<string, number>()
  for (const [at, text] of (known ?? []).entries()) if (!places.has(text)) places.set(text, at)
  for (const [at, text] of (compared ?? []).entries()) copies[at] = places.get(text) ?? copies[at]!
  return copies
}

/** A twentieth of the rows, in small sets twenty, and never more than a fifth: five folds can be made. */
export function mostInGroup(rows: number): number {
  return Math.max(2, Math.min(Math.floor(rows / 5), Math.max(20, Math.floor(rows / 20))))
}

const leastOf = (texts: readonly string[] | null) => (texts === null ? EQUAL : CLOSE)

/** Joins groups along the links, the closest first, as far as groups may grow. */
function joinLinks(rows: number, links: CloseRows[]): NearDuplicates {
  const most = mostInGroup(rows)
  const parents = Int32Array.from({ length: rows }, (_, row) => row)
  const sizes = new Int32Array(rows).fill(1)
  const rootOf = (row: number): number => {
    let at = row
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]!]!
      at = parents[at]!
    }
    return at
  }
  let parted = 0
  links.sort((x, y) => y.cosine - x.cosine || x.a - y.a || x.b - y.b)
  for (const { a, b } of links) {
    const [rootA, rootB] = [rootOf(a), rootOf(b)]
    if (rootA === rootB) continue
    if (sizes[rootA]! + sizes[rootB]! > most) {
      parted++
      continue
    }
    const [root, other] = rootA < rootB ? [rootA, rootB] : [rootB, rootA]
    parents[other] = root
    sizes[root] = sizes[root]! + sizes[other]!
  }
  const groupOf = new Int32Array(rows).fill(-1)
  const groups: number[][] = []
  for (let row = 0; row < rows; row++) {
    const root = rootOf(row)
    if (sizes[root] === 1) continue
    // The root of a group is its first row.
    if (row === root) groups.push([])
    groupOf[row] = row === root ? groups.length - 1 : groupOf[root]!
    groups[groupOf[row]!]!.push(row)
  }
  return { groupOf, groups, parted, links }
}
