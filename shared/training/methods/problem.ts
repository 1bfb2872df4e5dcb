import type { Matrix, MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { type Basis, createBasis, toBasis } from '../numerics/basis.ts'
import { assignFolds } from '../numerics/folds.ts'
import { GaussianCache } from '../numerics/gaussian.ts'
import { type LinearFit, scoreLinear } from '../numerics/linear-fit.ts'
import { takeRows, takeValues } from '../numerics/rows.ts'

/** Everything that the methods share while one head is trained. */
export interface Problem {
  readonly kernels: MatrixKernels
  /** Embeddings, shape [rows, dimension]. */
  readonly rows: Matrix
  /** The same rows in centred principal coordinates, shape [rows, rank]. */
  readonly coordinates: Matrix
  readonly basis: Basis
  /** Shape [rows, classes]: 0 or 1. */
  readonly targets: Matrix
  /** Shape [rows]: the class; for multi-label the group that folds are balanced by. */
  readonly groups: Int32Array
  /** Shape [rows]: rows with the same number are in one fold; -1 for those that stand alone. */
  readonly together?: Int32Array | undefined
  readonly classes: number
  readonly activation: 'softmax' | 'sigmoid'
  readonly folds: readonly Fold[]
  /** Rows that some fold holds out, in the order of the folds; held-out scores have this order. */
  readonly heldOut: Int32Array
  /** Targets of the held-out rows. */
  readonly truth: Matrix
  readonly gaussians: GaussianCache
}

/** One fold: the rows it trains on and the rows it holds out. */
export interface Fold {
  readonly train: Int32Array
  readonly test: Int32Array
  /** Place of its first held-out row among all held-out rows. */
  readonly offset: number
  readonly trainCoordinates: Matrix
  readonly trainTargets: Matrix
  readonly trainGroups: Int32Array
  readonly testCoordinates: Matrix
}

/** Prepares the folds and coordinates of a training set. */
export async function createProblem(
  kernels: MatrixKernels,
  data: Pick<Problem, 'rows' | 'targets' | 'groups' | 'activation' | 'together'>,
  options: {
    readonly folds: number
    readonly seed: number
    /** Gives classes of equal rows a variance. @default false */
    readonly assumesVariance?: boolean
  },
): Promise<Problem> {
  const basis = await createBasis(kernels, data.rows)
  const coordinates = await toBasis(kernels, basis, data.rows)
  const random = createRandom(options.seed)
  const assigned = assignFolds(data.groups, options.folds, random, data.together)
  const folds: Fold[] = []
  let offset = 0
  for (let index = 0; index < options.folds; index++) {
    const test = rowsOf(assigned, (fold) => fold === index)
    if (test.length === 0) continue
    const train = rowsOf(assigned, (fold) => fold !== index)
    folds.push({
      train,
      test,
      offset,
      trainCoordinates: takeRows(coordinates, train),
      trainTargets: takeRows(data.targets, train),
      trainGroups: takeValues(data.groups, train),
      testCoordinates: takeRows(coordinates, test),
    })
    offset += test.length
  }
  const heldOut = new Int32Array(offset)
  for (const fold of folds) heldOut.set(fold.test, fold.offset)
  const classes = data.targets.columns
  const truth = takeRows(data.targets, heldOut)
  const gaussians = new GaussianCache(kernels, data.rows.columns, options.assumesVariance === true)
  return { kernels, ...data, coordinates, basis, classes, folds, heldOut, truth, gaussians }
}

function rowsOf(assigned: Int32Array, wanted: (fold: number) => boolean): Int32Array {
  const rows: number[] = []
  assigned.forEach((fold, row) => {
    if (wanted(fold)) rows.push(row)
  })
  return Int32Array.from(rows)
}

/** Fits every fold and gathers the scores of the rows held out, shape [held out, classes]. */
export async function scoreHeldOut(
  problem: Problem,
  fitFold: (fold: Fold, index: number) => Promise<LinearFit>,
): Promise<Matrix> {
  const { kernels, classes } = problem
  const data = new Float32Array(problem.heldOut.length * classes)
  for (const [index, fold] of problem.folds.entries()) {
    const scores = await scoreLinear(kernels, fold.testCoordinates, await fitFold(fold, index))
    data.set(scores.data, fold.offset * classes)
  }
  return { data, rows: problem.heldOut.length, columns: classes }
}
