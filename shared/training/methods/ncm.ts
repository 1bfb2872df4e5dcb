import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { type LinearFit, scoreLinear } from '../numerics/linear-fit.ts'
import { takeRows, takeValues } from '../numerics/rows.ts'
import { type Candidate, calibrate, type LinearCandidate, singleCandidate } from './candidates.ts'
import type { MethodRun } from './method.ts'
import type { Problem } from './problem.ts'

/** The cosine of a class without rows: below every real one. */
const ABSENT_SCORE = -2

/** Nearest class mean. */
export async function makeCandidate({ problem }: MethodRun): Promise<Candidate> {
  return singleCandidate(problem, await selectNearestMeans(problem))
}

/** Nearest class mean by cosine: no setting to choose. */
async function selectNearestMeans(problem: Problem): Promise<LinearCandidate> {
  const { kernels, rows, groups, classes } = problem
  const data = new Float32Array(problem.heldOut.length * classes)
  for (const fold of problem.folds) {
    const fit = fitNearestMeans(takeRows(rows, fold.train), takeValues(groups, fold.train), classes)
    const scores = await scoreLinear(kernels, takeRows(rows, fold.test), fit)
    data.set(scores.data, fold.offset * classes)
  }
  const scores = { data, rows: problem.heldOut.length, columns: classes }
  return {
    method: 'ncm',
    parameters: {},
    scores,
    ...calibrate(problem, scores, 0.05),
    fit: async (all) => fitNearestMeans(all.rows, all.groups, all.classes),
  }
}

/** Nearest class mean by cosine: the score of a class is the cosine of the embedding and the class mean. */
function fitNearestMeans(rows: Matrix, groups: Int32Array, classes: number): LinearFit {
  const { data, columns: d } = rows
  const weights = new Float64Array(classes * d)
  for (let i = 0; i < rows.rows; i++) {
    const from = groups[i]! * d
    for (let j = 0; j < d; j++) weights[from + j] = weights[from + j]! + data[i * d + j]!
  }
  const bias = new Float64Array(classes)
  for (let c = 0; c < classes; c++) {
    const mean = weights.subarray(c * d, (c + 1) * d)
    const norm = Math.hypot(...mean)
    if (norm === 0) bias[c] = ABSENT_SCORE
    else for (let j = 0; j < d; j++) mean[j] = mean[j]! / norm
  }
  return { weights, bias }
}
