import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { createRandom } from '../../lib/maths/random.ts'
import type { Problem } from '../methods/problem.ts'
import { assignFolds } from '../numerics/folds.ts'
import { takeRows, takeValues } from '../numerics/rows.ts'

/** Share of in-distribution rows that are let through. */
const KEPT_SHARE = 0.95
/** With fewer rows even the largest distance is passed by less than that share of new ones. */
export const LEAST_ROWS = 19
/** With fewer rows an extrapolation from halves is a matter of luck. */
const LEAST_EXTRAPOLATED = 100
/** With so many rows, or rows a class on average, four fifths of them measure as all do. */
const MANY = 5_000
const MANY_A_CLASS = 200
/** Parts that leave one row of a class out where classes are small. */
const FEWEST_PARTS = 10
const MOST_PARTS = 20
const SEED = 19

/** Rows to fit a detector on and rows to measure by it. */
export interface DetectorPart {
  readonly train: Matrix
  readonly trainGroups: Int32Array
  readonly test: Matrix
}

/**
 * The distance that 95 % of ordinary rows do not exceed, from rows that were held out of a fit. Detectors of fewer rows
 * measure larger distances, so small classes give up one row at a time (CV+ of Barber et al., "Predictive inference with
 * the jackknife+", 2021), and from 100 rows on half of the way to the size of all rows is extrapolated from two sizes.
 * Null with fewer than 19 rows.
 */
export async function chooseThreshold(
  problem: Problem,
  measure: (part: DetectorPart) => Promise<readonly number[]>,
): Promise<number | null> {
  const measureAll = async (parts: Iterable<DetectorPart>): Promise<number[]> => {
    const distances: number[] = []
    for (const part of parts) distances.push(...(await measure(part)))
    return distances
  }
  const rows = problem.heldOut.length
  const classes = new Set(problem.groups).size
  if (rows >= Math.min(MANY, MANY_A_CLASS * classes)) {
    return quantile(await measureAll(problem.folds.map(toPart)))
  }
  const parts = Math.min(Math.max(largestClass(problem.groups), FEWEST_PARTS), MOST_PARTS)
  const near = await measureAll(divide(problem, parts))
  if (rows < LEAST_EXTRAPOLATED) return quantile(near, near.length + 1)
  const most = quantile(near)
  // Where classes of two rows are halved no two rows of any are left to fit on.
  for (const few of [2, 3]) {
    const less = quantile(await measureAll(divide(problem, few)))
    if (less === null || most === null) continue
    // Linear in one over the number of rows, which is 1 for all of them.
    const [atMost, atLess] = [1 / (1 - 1 / parts), 1 / (1 - 1 / few)]
    return most - ((less - most) * (atMost - 1)) / (atLess - atMost) / 2
  }
  return most
}

function toPart(fold: Problem['folds'][number]): DetectorPart {
  const { trainCoordinates, trainGroups, testCoordinates } = fold
  return { train: trainCoordinates, trainGroups, test: testCoordinates }
}

function* divide(problem: Problem, parts: number): Generator<DetectorPart> {
  const { coordinates, groups, together } = problem
  const assigned = assignFolds(groups, parts, createRandom(SEED), together)
  for (let part = 0; part < parts; part++) {
    const all = Int32Array.from(assigned.keys())
    const test = all.filter((row) => assigned[row] === part)
    if (test.length === 0) continue
    const train = all.filter((row) => assigned[row] !== part)
    yield {
      train: takeRows(coordinates, train),
      trainGroups: takeValues(groups, train),
      test: takeRows(coordinates, test),
    }
  }
}

function largestClass(groups: Int32Array): number {
  const counts = new Map<number, number>()
  for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1)
  return Math.max(...counts.values())
}

/** The smallest value that at least that share of all values do not exceed; null of too few. */
function quantile(values: readonly number[], total = values.length): number | null {
  if (values.length < LEAST_ROWS) return null
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length, Math.ceil(KEPT_SHARE * total)) - 1]!
}
