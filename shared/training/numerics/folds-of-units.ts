import type { Random } from '../../lib/maths/random.ts'

/** Marks a row that no other has to stay with. */
export const ALONE = -1
const NEVER_HELD_OUT = -1

/** Rows that stay on one side of every split. */
interface Unit {
  readonly rows: number[]
  /** Rows of each class that it has. */
  readonly counts: Map<number, number>
}

/**
 * Assigns whole units of rows to folds. The largest come first, each to the fold that has the least of its classes, as
 * scikit-learn's StratifiedGroupKFold does (which takes the least deviation of the classes' shares over the folds). What
 * is all that there is of a class is never held out. Shape [rows], values -1 … folds - 1.
 * @param together shape [rows]: the unit of each row, or `ALONE`
 */
export function assignUnits(
  classes: Int32Array,
  together: Int32Array,
  folds: number,
  random: Random,
): Int32Array {
  const assigned = new Int32Array(classes.length).fill(NEVER_HELD_OUT)
  if (folds === 0) return assigned
  const units = listUnits(classes, together)
  const totals = new Map<number, number>()
  for (const row of classes) totals.set(row, (totals.get(row) ?? 0) + 1)
  const order = random.shuffle(Int32Array.from(units.keys()))
  const sorted = Array.from(order, (at) => units[at]!).sort((a, b) => b.rows.length - a.rows.length)
  const sizes = new Float64Array(folds)
  const ofClass = Array.from({ length: folds }, () => new Map<number, number>())
  const spread = new Map<number, Set<number>>()
  for (const unit of sorted) {
    if (holdsWhole(unit, totals)) continue
    const fold = pickFold(unit, { ofClass, sizes, totals })
    for (const row of unit.rows) assigned[row] = fold
    sizes[fold] = sizes[fold]! + unit.rows.length
    for (const [own, count] of unit.counts) {
      ofClass[fold]!.set(own, (ofClass[fold]!.get(own) ?? 0) + count)
      spread.set(own, (spread.get(own) ?? new Set()).add(fold))
    }
  }
  keepLearnable(sorted, assigned, totals, { ofClass, spread })
  return assigned
}

function listUnits(classes: Int32Array, together: Int32Array): Unit[] {
  const units: Unit[] = []
  const known = new Map<number, Unit>()
  classes.forEach((own, row) => {
    const name = together[row]!
    let unit = name === ALONE ? undefined : known.get(name)
    if (unit === undefined) {
      unit = { rows: [], counts: new Map() }
      units.push(unit)
      if (name !== ALONE) known.set(name, unit)
    }
    unit.rows.push(row)
    unit.counts.set(own, (unit.counts.get(own) ?? 0) + 1)
  })
  return units
}

function holdsWhole({ counts }: Unit, totals: ReadonlyMap<number, number>): boolean {
  for (const [own, count] of counts) if (count === totals.get(own)) return true
  return false
}

interface Loads {
  readonly ofClass: readonly ReadonlyMap<number, number>[]
  readonly sizes: Float64Array
  readonly totals: ReadonlyMap<number, number>
}

/** The fold whose share of the unit's classes grows to the least square; of equal ones the one with the fewest rows. */
function pickFold(unit: Unit, { ofClass, sizes, totals }: Loads): number {
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (const [fold, counts] of ofClass.entries()) {
    let cost = 0
    for (const [own, count] of unit.counts) {
      cost += (count * (counts.get(own) ?? 0)) / totals.get(own)! ** 2
    }
    if (cost < least || (cost === least && sizes[fold]! < sizes[best]!)) {
      least = cost
      best = fold
    }
  }
  return best
}

/** Where one fold has all that there is of a class, a unit of it is never held out. */
function keepLearnable(
  units: readonly Unit[],
  assigned: Int32Array,
  totals: ReadonlyMap<number, number>,
  {
    ofClass,
    spread,
  }: Pick<Loads, 'ofClass'> & { readonly spread: ReadonlyMap<number, Set<number>> },
): void {
  const lost = new Set<number>()
  for (const [own, folds] of spread) {
    const [fold] = folds
    if (folds.size === 1 && ofClass[fold!]!.get(own) === totals.get(own)) lost.add(own)
  }
  for (const unit of units) {
    if (lost.size === 0) return
    if (![...unit.counts.keys()].some((own) => lost.has(own))) continue
    for (const row of unit.rows) assigned[row] = NEVER_HELD_OUT
    for (const own of unit.counts.keys()) lost.delete(own)
  }
}
