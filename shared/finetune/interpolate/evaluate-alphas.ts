import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { embedRows, type Scorer, type WeightInputs } from '../evaluate/evaluate-rows.ts'
import { evaluateVectors, type VectorEvaluation } from '../evaluate/evaluate-vectors.ts'
import type { Parameter } from '../graph/types.ts'
import type { AdamW } from '../optimise/adamw.ts'
import type { LabelledRows } from '../rows/labelled-rows.ts'

/** Shares of the tuned weights that are tried; 0 is the base itself. */
export const ALPHAS = [0, 0.25, 0.5, 0.75, 1] as const

/** What every alpha is evaluated with. */
export interface AlphaEvaluationParts {
  readonly adamw: AdamW
  readonly parameters: readonly Parameter[]
  /** Views of the optimiser's weights, as graph inputs. */
  readonly inputs: WeightInputs
  readonly scorer: Scorer
  readonly kernels: MatrixKernels
  readonly several: boolean
  readonly seed: number
  /** Called before each alpha. */
  onAlpha(at: number, count: number): void
}

/** Evaluation of the weights that one alpha gives. */
export interface AlphaEvaluation extends VectorEvaluation {
  readonly alpha: number
}

/** Interpolates base and tuned weights into the optimiser; an output layer stays as it was trained. */
export function applyAlpha(
  { adamw, parameters }: Pick<AlphaEvaluationParts, 'adamw' | 'parameters'>,
  tuned: readonly Float32Array[],
  alpha: number,
): void {
  for (const [index, { group, initial }] of parameters.entries()) {
    const own = tuned[index] as Float32Array
    const into = adamw.weights[index] as Float32Array
    interpolateWeights(group === 'encoder' ? initial : own, own, alpha, into)
  }
}

/**
 * Evaluates every alpha by a head that is fitted anew to its vectors, base and tuned alike: an output layer knows the
 * tuned weights only. Leaves the weights of the last alpha in the optimiser.
 */
export async function evaluateAlphas(
  parts: AlphaEvaluationParts,
  tuned: readonly Float32Array[],
  { learnt, heldOut }: { readonly learnt: LabelledRows; readonly heldOut: LabelledRows },
): Promise<AlphaEvaluation[]> {
  const { scorer, inputs } = parts
  const evaluations: AlphaEvaluation[] = []
  for (const [at, alpha] of ALPHAS.entries()) {
    parts.onAlpha(at, ALPHAS.length)
    applyAlpha(parts, tuned, alpha)
    const train = { embeddings: await embedRows(scorer, inputs, learnt), rows: learnt.rows }
    const validation = { embeddings: await embedRows(scorer, inputs, heldOut), rows: heldOut.rows }
    evaluations.push({ alpha, ...(await evaluateVectors(train, validation, parts)) })
  }
  return evaluations
}

/**
 * Weights between base and tuned ones, (1 − alpha) base + alpha tuned, into `into`: WiSE-FT (Wortsman et al., 2022,
 * "Robust fine-tuning of zero-shot models", https://arxiv.org/abs/2109.01903). To the bit at 0 and at 1.
 */
export function interpolateWeights(
  base: Float32Array,
  tuned: Float32Array,
  alpha: number,
  into: Float32Array,
): void {
  if (alpha === 0 || alpha === 1) {
    into.set(alpha === 0 ? base : tuned)
    return
  }
  for (let i = 0; i < into.length; i++) {
    into[i] = (1 - alpha) * (base[i] as number) + alpha * (tuned[i] as number)
  }
}
