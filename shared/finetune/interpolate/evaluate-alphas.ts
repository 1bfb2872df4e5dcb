import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import {
  embedRows,
  type JudgedRows,
  type Scorer,
  type WeightInputs,
} from '../evaluate/evaluate-rows.ts'
import { type JudgedVectors, judgeVectors } from '../evaluate/evaluate-vectors.ts'
import type { Parameter } from '../graph/types.ts'
import type { AdamW } from '../optimise/adamw.ts'
import { ALPHAS, blendWeights } from './blend-weights.ts'

/** What blends are judged with. */
export interface AlphaJudging {
  readonly adamw: AdamW
  readonly parameters: readonly Parameter[]
  /** Views of the optimiser's weights, as graph inputs. */
  readonly inputs: WeightInputs
  readonly scorer: Scorer
  readonly kernels: MatrixKernels
  readonly several: boolean
  readonly seed: number
  /** Called before each blend. */
  onAlpha(at: number, count: number): void
}

/** One blend, judged. */
export interface AlphaVerdict extends JudgedVectors {
  readonly alpha: number
}

/** Puts a blend of the base's and the tuned weights into the optimiser; an output layer stays as it was trained. */
export function applyAlpha(
  { adamw, parameters }: Pick<AlphaJudging, 'adamw' | 'parameters'>,
  tuned: readonly Float32Array[],
  alpha: number,
): void {
  for (const [index, { group, initial }] of parameters.entries()) {
    const own = tuned[index] as Float32Array
    const into = adamw.weights[index] as Float32Array
    blendWeights(group === 'encoder' ? initial : own, own, alpha, into)
  }
}

/**
 * Judges every blend by a head that is fitted anew to its vectors, base and tuned alike: an output layer knows the
 * tuned weights only. Leaves the last blend in the optimiser.
 */
export async function judgeAlphas(
  judging: AlphaJudging,
  tuned: readonly Float32Array[],
  { learnt, judged }: { readonly learnt: JudgedRows; readonly judged: JudgedRows },
): Promise<AlphaVerdict[]> {
  const { scorer, inputs } = judging
  const verdicts: AlphaVerdict[] = []
  for (const [at, alpha] of ALPHAS.entries()) {
    judging.onAlpha(at, ALPHAS.length)
    applyAlpha(judging, tuned, alpha)
    const known = { embeddings: await embedRows(scorer, inputs, learnt), rows: learnt.rows }
    const asked = { embeddings: await embedRows(scorer, inputs, judged), rows: judged.rows }
    verdicts.push({ alpha, ...(await judgeVectors(known, asked, judging)) })
  }
  return verdicts
}
