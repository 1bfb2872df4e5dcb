import type { Method } from '../../../shared/training/types.ts'

/** How classifiers are fitted, as options name it. */
export const TRAINING_METHODS = [
  'auto',
  'softmax',
  'lda',
  'ncm',
  'ridge',
  'knn',
] as const satisfies readonly Method[]
