import type { ReportConfusion } from '../types.ts'

/** Row or column that gathers every label that is not shown by itself. */
export const OTHERS = -1

/** What a confusion matrix shows, before any drawing. */
export interface MatrixLayout {
  /** Indices of labels in the order of rows and columns; `OTHERS` last where labels are gathered. */
  readonly classes: readonly number[]
  readonly cells: readonly MatrixCell[]
  /** Smaller confusions that were left out of `cells`. */
  readonly dropped: number
}

/** Row and column are positions in `classes`; `share` is the part of the row's test rows. */
export interface MatrixCell {
  readonly row: number
  readonly column: number
  readonly count: number
  readonly share: number
  readonly of: number
}

const KEEP_ORDER_UP_TO = 12
const MAX_CELLS = 3_000

/**
 * Chooses at most `limit` labels, those of the most frequent confusions, and puts labels that are confused
 * with each other side by side. Few labels keep their own order.
 */
export function layoutMatrix(
  labelCount: number,
  confusions: readonly ReportConfusion[],
  limit: number,
): MatrixLayout {
  const counts = gatherCounts(labelCount, confusions)
  const gathers = labelCount > limit
  const chosen = gathers ? chooseWorst(labelCount, counts, limit) : range(labelCount)
  const ordered = labelCount <= KEEP_ORDER_UP_TO ? chosen : chain(labelCount, counts, chosen)
  const classes = gathers ? [...ordered, OTHERS] : ordered
  const position = new Map(classes.map((index, at) => [index, at]))
  const others = position.get(OTHERS) ?? OTHERS
  const totals = new Map<number, number>()
  const cells = new Map<number, { row: number; column: number; count: number }>()
  for (const [key, count] of counts) {
    const actual = Math.floor(key / labelCount)
    const row = position.get(actual) ?? others
    const column = position.get(key % labelCount) ?? others
    totals.set(row, (totals.get(row) ?? 0) + count)
    // Among the gathered labels right and wrong cannot be told apart.
    if (row === others && column === others) continue
    const cell = cells.get(row * classes.length + column)
    if (cell === undefined) cells.set(row * classes.length + column, { row, column, count })
    else cell.count += count
  }
  const all = [...cells.values()].sort(
    (a, b) => Number(a.row !== a.column) - Number(b.row !== b.column) || b.count - a.count,
  )
  return {
    classes,
    cells: all.slice(0, MAX_CELLS).map((cell) => {
      const of = totals.get(cell.row) ?? cell.count
      return { ...cell, of, share: cell.count / of }
    }),
    dropped: Math.max(0, all.length - MAX_CELLS),
  }
}

type Counts = ReadonlyMap<number, number>

/** Counts by actual * labelCount + predicted; indices outside the labels and empty counts are dropped. */
function gatherCounts(labelCount: number, confusions: readonly ReportConfusion[]): Counts {
  const counts = new Map<number, number>()
  const isIndex = (index: number): boolean =>
    Number.isInteger(index) && index >= 0 && index < labelCount
  for (const { actual, predicted, count } of confusions) {
    if (!isIndex(actual) || !isIndex(predicted) || !(count > 0)) continue
    const key = actual * labelCount + predicted
    counts.set(key, (counts.get(key) ?? 0) + count)
  }
  return counts
}

function chooseWorst(labelCount: number, counts: Counts, limit: number): number[] {
  const chosen = new Set<number>()
  for (const [key] of listErrors(labelCount, counts)) {
    const pair = [Math.floor(key / labelCount), key % labelCount]
    const missing = pair.filter((index) => !chosen.has(index))
    if (chosen.size + missing.length > limit) break
    for (const index of missing) chosen.add(index)
  }
  return [...chosen].sort((a, b) => a - b)
}

function listErrors(labelCount: number, counts: Counts): [number, number][] {
  return [...counts]
    .filter(([key]) => Math.floor(key / labelCount) !== key % labelCount)
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
}

/** Walks from label to label, each time to the one most confused with the last; ties go to the lower index. */
function chain(labelCount: number, counts: Counts, chosen: readonly number[]): number[] {
  const links = new Map<number, Map<number, number>>(chosen.map((index) => [index, new Map()]))
  const weight = new Map<number, number>()
  for (const [key, count] of listErrors(labelCount, counts)) {
    const a = Math.floor(key / labelCount)
    const b = key % labelCount
    const [fromA, fromB] = [links.get(a), links.get(b)]
    if (fromA === undefined || fromB === undefined) continue
    fromA.set(b, (fromA.get(b) ?? 0) + count)
    fromB.set(a, (fromB.get(a) ?? 0) + count)
    weight.set(a, (weight.get(a) ?? 0) + count)
    weight.set(b, (weight.get(b) ?? 0) + count)
  }
  const left = new Set(
    [...chosen].sort((a, b) => (weight.get(b) ?? 0) - (weight.get(a) ?? 0) || a - b),
  )
  const order: number[] = []
  while (left.size > 0) {
    const last = order.at(-1)
    let next: number | undefined
    let strongest = 0
    for (const [index, count] of (last === undefined ? undefined : links.get(last)) ?? []) {
      if (!left.has(index)) continue
      if (count > strongest || (count === strongest && index < next!)) {
        next = index
        strongest = count
      }
    }
    next ??= left.values().next().value!
    left.delete(next)
    order.push(next)
  }
  return order
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
