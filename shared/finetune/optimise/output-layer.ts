import { createRandom } from '../../lib/maths/random.ts'
import { meansOf } from '../evaluate/evaluate-neighbours.ts'
import { embedRows, type JudgedRows, type Scorer, sampleJudged } from '../evaluate/evaluate-rows.ts'
import type { AffineHead, TrainingGraphOptions } from '../graph/types.ts'
import { drawNormal } from '../text/tuned-folder.ts'
import type { LabelledTexts } from '../types.ts'

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
  train: JudgedRows,
  scorer: Scorer,
  seed: number,
): Promise<TrainingGraphOptions> {
  const { loss, initialHead } = options
  if (loss.kind !== 'cosine-softmax' || initialHead === null) return options
  const some = sampleJudged(train, seed)
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
