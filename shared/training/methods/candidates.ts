import type { Matrix } from '../../lib/maths/matrix-kernels.ts'
import { fitTemperature } from '../evaluation/calibration.ts'
import { likelihood, shareCorrect, toProbabilities } from '../evaluation/probabilities.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { lossesOf, measureGain, pickLikeliest } from './held-out-losses.ts'
import { figuresOutOfFold } from './out-of-fold.ts'
import type { Problem } from './problem.ts'

/** A linear method with the setting that cross-validation chose. */
export interface LinearCandidate {
  readonly method: string
  readonly parameters: Readonly<Record<string, number>>
  /** Scores of the held-out rows, before the temperature; shape [held out, classes]. */
  readonly scores: Matrix
  readonly temperature: number
  /** Mean negative log-likelihood of the held-out rows at that temperature. */
  readonly nll: number
  /** Fits all rows of a problem, in the coordinates of the embedding. */
  fit(problem: Problem): Promise<LinearFit>
}

/** A way to make a head, with what cross-validation says of it. */
export interface Candidate {
  /** `softmax`, `lda+knn` … */
  readonly name: string
  readonly parameters: Readonly<Record<string, number>>
  /** Linear parts: score = Σ share · part. */
  readonly parts: readonly { readonly candidate: LinearCandidate; readonly share: number }[]
  readonly temperature: number
  readonly votes: {
    readonly k: number
    readonly temperature: number
    readonly weight: number
  } | null
  /** Probabilities of the held-out rows, shape [held out, classes]. */
  readonly probabilities: Matrix
  /** Share of held-out rows whose whole answer is right. */
  readonly accuracy: number
  readonly nll: number
  /** Share of the log prior that is taken away from the answers, 0 to 1; `probabilities` are without that part. @default 0 */
  readonly balance?: number | undefined
}

/** Shares of the first method in a blend of two linear ones. */
const SHARES = [0.15, 0.3, 0.5, 0.7] as const
const USUAL_SHARE = 0.3

/** One linear method alone. */
export function singleCandidate(problem: Problem, linear: LinearCandidate): Candidate {
  const { method, parameters, scores, temperature } = linear
  const parts = [{ candidate: linear, share: 1 }]
  return assess(problem, { name: method, parameters, parts, temperature, votes: null }, scores)
}

/**
 * Geometric mean of two linear methods: their calibrated scores added, which is linear again. The share of the first is
 * the least whose held-out loss is within one paired standard error of the best.
 */
export function blendLinear(problem: Problem, a: LinearCandidate, b: LinearCandidate): Candidate {
  const blends = SHARES.map((share) => {
    const [shareA, shareB] = [share / a.temperature, (1 - share) / b.temperature]
    const data = new Float32Array(a.scores.data.length)
    for (let i = 0; i < data.length; i++) {
      data[i] = shareA * a.scores.data[i]! + shareB * b.scores.data[i]!
    }
    const scores = { ...a.scores, data }
    return assess(
      problem,
      {
        name: `${a.method}+${b.method}`,
        parameters: { ...a.parameters, ...b.parameters, share },
        parts: [
          { candidate: a, share: shareA },
          { candidate: b, share: shareB },
        ],
        temperature: calibrate(problem, scores).temperature,
        votes: null,
      },
      scores,
    )
  })
  // Nothing is known without two rows that were held out.
  if (problem.heldOut.length < 2) return blends[SHARES.indexOf(USUAL_SHARE)]!
  const best = pickLikeliest(blends)
  const least = lossesOf(problem, best.probabilities)
  const isClose = (blend: Candidate): boolean => {
    const { mean, error } = measureGain(lossesOf(problem, blend.probabilities), least)
    return mean <= error
  }
  return blends.find((blend) => blend === best || isClose(blend)) ?? best
}

function assess(
  problem: Problem,
  candidate: Omit<Candidate, 'probabilities' | 'accuracy' | 'nll'>,
  scores: Matrix,
): Candidate {
  const probabilities = toProbabilities(scores, candidate.temperature, problem.activation)
  return {
    ...candidate,
    probabilities,
    accuracy:
      problem.activation === 'sigmoid'
        ? figuresOutOfFold(problem, probabilities).accuracy
        : shareCorrect(probabilities, problem.truth),
    nll: likelihood(probabilities, problem.truth, problem.activation),
  }
}

/** Temperature and likelihood of held-out scores; without any such row the temperature stays at `start`. */
export function calibrate(
  { truth, activation }: Problem,
  scores: Matrix,
  start = 1,
  offset: Float64Array | null = null,
) {
  if (scores.rows === 0) return { temperature: start, nll: 0 }
  return fitTemperature({ scores, truth, activation, offset: offset ?? undefined }, start)
}
