/**
 * The cheapest assignment in which every class has a row, from the cheapest one without that wish: for each
 * empty class a row is moved along the cheapest chain of classes that ends in one with rows to spare. Each
 * step is a shortest augmenting path of the transport problem, so the result is its exact optimum.
 * `costs` has the shape [rows, classes]; rows must be as many as classes at least.
 */
export function fillEmptyClasses(
  costs: Float64Array,
  nearest: Int32Array,
  classes: number,
): Int32Array {
  const labels = nearest.slice()
  const counts = new Int32Array(classes)
  for (const label of labels) counts[label]!++
  for (let empty = 0; empty < classes; empty++) {
    if (counts[empty]! > 0) continue
    const moves = cheapestMoves(costs, labels, classes)
    const chain = findChain(moves, counts, empty, classes)
    for (const { row, to } of chain.moves) labels[row] = to
    counts[chain.from]!--
    counts[empty]!++
  }
  return labels
}

interface Moves {
  /** Shape [classes, classes]: least cost of moving a row of the first class to the second. */
  readonly price: Float64Array
  /** The row to move. */
  readonly row: Int32Array
}

function cheapestMoves(costs: Float64Array, labels: Int32Array, classes: number): Moves {
  const price = new Float64Array(classes * classes).fill(Infinity)
  const row = new Int32Array(classes * classes)
  labels.forEach((label, at) => {
    const own = costs[at * classes + label]!
    for (let to = 0; to < classes; to++) {
      const extra = costs[at * classes + to]! - own
      if (extra < price[label * classes + to]!) {
        price[label * classes + to] = extra
        row[label * classes + to] = at
      }
    }
  })
  return { price, row }
}

/** Bellman and Ford from all classes with rows to spare to the empty one. */
function findChain({ price, row }: Moves, counts: Int32Array, empty: number, classes: number) {
  const total = Float64Array.from(counts, (count) => (count > 1 ? 0 : Infinity))
  const before = new Int32Array(classes).fill(-1)
  for (let changed = true, pass = 0; changed && pass < classes; pass++) {
    changed = false
    for (let from = 0; from < classes; from++) {
      if (total[from] === Infinity) continue
      for (let to = 0; to < classes; to++) {
        const reached = total[from]! + price[from * classes + to]!
        // Rounding must not turn a chain of equal costs into a circle.
        if (to === from || !(reached < total[to]! - 1e-12)) continue
        total[to] = reached
        before[to] = from
        changed = true
      }
    }
  }
  const moves: { row: number; to: number }[] = []
  let to = empty
  while (before[to] !== -1) {
    const from = before[to]!
    moves.push({ row: row[from * classes + to]!, to })
    to = from
  }
  return { moves, from: to }
}
