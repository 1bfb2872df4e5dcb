import { openMatrixKernels } from '../runtime/kernels/kernels.ts'
import { createProblem } from '../training/methods/problem.ts'
import { selectLogistic } from '../training/methods/softmax.ts'
import { meansOf } from './evaluate-neighbours.ts'
import type { LabelledTexts } from './fine-tune-types.ts'
import { groupsOf } from './targets.ts'
import type { AffineHead } from './types.ts'

const FOLDS = 5
/** Inverse temperature of cosines to class means, where there are too few rows to choose anything. */
const MEANS_SCALE = 20

/** What a head is fitted with. */
export interface FitHeadOptions {
  readonly threads: number
  readonly seed: number
  /** Whether a row may have any number of labels. */
  readonly several: boolean
}

/**
 * Fits a head to finished embeddings [rows, dimension]: logistic regression with a cross-validated penalty,
 * or class means where no class has two rows.
 */
export async function fitHead(
  embeddings: Float32Array,
  rows: LabelledTexts,
  { threads, seed, several }: FitHeadOptions,
): Promise<AffineHead> {
  const count = rows.texts.length
  const { classes } = rows
  const kernels = await openMatrixKernels({ threads })
  try {
    const problem = await createProblem(
      kernels,
      {
        rows: { data: embeddings, rows: count, columns: embeddings.length / count },
        targets: { data: rows.targets, rows: count, columns: classes },
        groups: groupsOf(rows),
        activation: several ? 'sigmoid' : 'softmax',
      },
      { folds: FOLDS, seed },
    )
    if (problem.heldOut.length === 0) {
      const weight = meansOf(embeddings, rows).map((value) => value * MEANS_SCALE)
      return { weight, bias: new Float32Array(classes) }
    }
    const fit = await (await selectLogistic(problem)).fit(problem)
    return { weight: new Float32Array(fit.weights), bias: new Float32Array(fit.bias) }
  } finally {
    await kernels.close()
  }
}
