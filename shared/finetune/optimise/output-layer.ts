import { EspalierError } from '../../lib/errors.ts'
import { createRandom, drawNormal } from '../../lib/maths/random.ts'
import { openMatrixKernels } from '../../runtime/kernels/kernels.ts'
import { createProblem } from '../../training/methods/problem.ts'
import { selectLogistic } from '../../training/methods/softmax.ts'
import { embedRows, meansOf, type Scorer } from '../evaluate/evaluate-rows.ts'
import { MIN_NORM, scoreScale } from '../graph/losses.ts'
import type { AffineHead, TrainingGraphOptions } from '../graph/types.ts'
import { groupsOf, type LabelledRows, sampleLabelled } from '../rows/labelled-rows.ts'
import type { LabelledTexts } from '../types.ts'

const FOLDS = 5

/** Inverse temperature of cosines to class means, where there are too few rows to choose anything. */
const MEANS_SCALE = 20

/** BERT's own deviation for new layers, on inputs of the size that a normalised layer gives. */
const DEVIATION = 0.02

/** A head to start from: small normal weights and no bias; null for the contrastive loss. */
export function drawHead(
  { trunk, loss, classes }: Pick<TrainingGraphOptions, 'trunk' | 'loss' | 'classes'>,
  seed: number,
): AffineHead | null {
  if (loss.kind === 'contrastive') return null
  const { dimension } = trunk
  const weight = new Float32Array(classes * dimension)
  drawNormal(weight, DEVIATION * Math.sqrt(dimension), createRandom(seed))
  return { weight, bias: new Float32Array(classes) }
}

/**
 * Starts class prototypes of the cosine loss from mean embeddings; other losses start from what was drawn.
 */
export async function startHead(
  options: TrainingGraphOptions,
  train: LabelledRows,
  scorer: Scorer,
  seed: number,
): Promise<TrainingGraphOptions> {
  const { loss, initialHead } = options
  if (loss.kind !== 'cosine-softmax' || initialHead === null) return options
  const some = sampleLabelled(train, seed)
  const { parameters } = scorer.scoring
  const weights = Object.fromEntries(
    parameters.map(({ name, initial, dims }) => [name, { data: initial, dims }]),
  )
  const embeddings = await embedRows(scorer, weights, some)
  return { ...options, initialHead: prototypes(embeddings, some.rows, initialHead) }
}

/** Mean embeddings; a class without rows keeps what was drawn. */
function prototypes(embeddings: Float32Array, rows: LabelledTexts, drawn: AffineHead): AffineHead {
  const weight = meansOf(embeddings, rows)
  const dimension = weight.length / rows.classes
  for (let c = 0; c < rows.classes; c++) {
    const row = weight.subarray(c * dimension, (c + 1) * dimension)
    if (row.every((value) => value === 0)) {
      row.set(drawn.weight.subarray(c * dimension, (c + 1) * dimension))
    }
  }
  return { weight, bias: drawn.bias }
}

/**
 * The head in the product's form, from values of the parameters `head.weight` and `head.bias`; null for the
 * contrastive loss. Prototypes are put at length one first, as the loss does.
 */
export function toAffineHead(
  { trunk, loss }: Pick<TrainingGraphOptions, 'trunk' | 'loss'>,
  values: ReadonlyMap<string, Float32Array>,
): AffineHead | null {
  if (loss.kind === 'contrastive') return null
  const matrix = values.get('head.weight')
  if (!matrix) throw new EspalierError('internal', 'there are no values of head.weight')
  const { dimension } = trunk
  const scale = scoreScale(dimension, loss)
  const bias = values.get('head.bias') ?? new Float32Array(matrix.length / dimension)
  if (loss.kind !== 'cosine-softmax') {
    return { weight: matrix.map((value) => value * scale), bias: bias.slice() }
  }
  const weight = new Float32Array(matrix.length)
  for (let from = 0; from < matrix.length; from += dimension) {
    const row = matrix.subarray(from, from + dimension)
    const norm = Math.max(Math.hypot(...row), MIN_NORM)
    row.forEach((value, i) => {
      weight[from + i] = (value / norm) * scale
    })
  }
  return { weight, bias }
}

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
