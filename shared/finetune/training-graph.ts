import { EspalierError } from '../lib/errors.ts'
import type {
  AffineHead,
  LowerGraph,
  ScoringGraph,
  TrainingGraph,
  TrainingGraphOptions,
} from './types.ts'

/**
 * Builds forward pass, loss and gradients of the trainable tensors.
 * @throws EspalierError `invalid_request`
 */
export function buildTrainingGraph(_options: TrainingGraphOptions): TrainingGraph {
  throw new EspalierError('internal', 'not written yet')
}

/** Builds the forward pass with loss, scores and embeddings, for validation between steps. */
export function buildScoringGraph(_options: TrainingGraphOptions): ScoringGraph {
  throw new EspalierError('internal', 'not written yet')
}

/** Builds the frozen part below the trainable one, for a cache; null where there is nothing to cache. */
export function buildLowerGraph(
  _options: Pick<TrainingGraphOptions, 'weights' | 'pooling' | 'trainable'>,
): LowerGraph | null {
  throw new EspalierError('internal', 'not written yet')
}

/** The head in the product's form, from values of the parameters `head.weight` and `head.bias`. */
export function toAffineHead(
  _options: Pick<TrainingGraphOptions, 'weights' | 'loss'>,
  _values: ReadonlyMap<string, Float32Array>,
): AffineHead | null {
  throw new EspalierError('internal', 'not written yet')
}
