import type { EncoderWeights } from '../../exporter/source/weights.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { AffineHead, Loss, TrainingGraphOptions } from './types.ts'

/** Below this norm a prototype is left as it is; the guard of torch.nn.functional.normalize. */
export const MIN_NORM = 1e-12

/** Numbers of one embedding of a text. */
export function outputDimension(weights: EncoderWeights): number {
  return weights.dense?.outputs ?? weights.config.hidden
}

/**
 * The fixed factor before a head's weights: normalised embeddings are small, √dimension gives their elements
 * the size of a normalised layer's, so that usual learning rates fit.
 */
export function scoreScale(dimension: number, loss: Loss): number {
  return loss.kind === 'cosine-softmax' ? loss.scale : Math.sqrt(dimension)
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
