import { createRandom } from '../lib/random.ts'
import { outputDimension } from './affine-head.ts'
import { meansOf } from './evaluate-neighbours.ts'
import { drawNormal } from './tuned-folder.ts'
import type { LabelledTexts } from './fine-tune-types.ts'
import type { AffineHead, TrainingGraphOptions } from './types.ts'

/** BERT's own deviation for new layers, on inputs of the size that a normalised layer gives. */
const DEVIATION = 0.02

/** A head to start from: small normal weights and no bias; null for the contrastive loss. */
export function drawHead(
  { weights, loss, classes }: Pick<TrainingGraphOptions, 'weights' | 'loss' | 'classes'>,
  seed: number,
): AffineHead | null {
  if (loss.kind === 'contrastive') return null
  const dimension = outputDimension(weights)
  const weight = new Float32Array(classes * dimension)
  drawNormal(weight, DEVIATION * Math.sqrt(dimension), createRandom(seed))
  return { weight, bias: new Float32Array(classes) }
}

/** Class prototypes for the cosine loss: mean embeddings; a class without rows keeps what was drawn. */
export function prototypeHead(
  embeddings: Float32Array,
  rows: LabelledTexts,
  drawn: AffineHead,
): AffineHead {
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
