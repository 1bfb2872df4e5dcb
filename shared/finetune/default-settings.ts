import { usableCores } from '../lib/concurrency.ts'
import type { FineTuneSettings, Loss, Trainable } from './types.ts'

/** What the defaults depend on. */
export interface DefaultsFor {
  readonly trainable: Trainable
  readonly loss: Loss
  readonly rows: number
  /** @default 'text' */
  readonly modality?: 'text' | 'image' | undefined
  /** @default false */
  readonly flip?: boolean | undefined
}

/**
 * Fewer rows are seen more often, so that there are steps enough to learn in; the last blocks of an image network
 * know a thousand images by heart after a hundred.
 */
const ENOUGH_STEPS = { text: 240, image: 96 } as const
/** A text meets 31 others in every step: 120 steps on 8 rows of 77 labels are 190 pairs a text, where SetFit has 40. */
const ENOUGH_PAIRED_STEPS = 120
const MOST_EPOCHS = 20
const LEAST_EPOCHS = 2
const BATCH_SIZE = 32

/**
 * Settings that worked on TREC and Banking77, and on images of cats and dogs: batches of 32, warm-up over a
 * tenth, linear decay, weight decay 0.01, gradients clipped to norm 1.
 */
export function defaultSettings({
  trainable,
  loss,
  rows,
  modality = 'text',
  flip = false,
}: DefaultsFor): FineTuneSettings {
  const steps = Math.max(1, Math.ceil((flip ? 2 * rows : rows) / BATCH_SIZE))
  const enough = loss.kind === 'contrastive' ? ENOUGH_PAIRED_STEPS : ENOUGH_STEPS[modality]
  const epochs = Math.min(MOST_EPOCHS, Math.max(LEAST_EPOCHS, Math.ceil(enough / steps)))
  return {
    trainable,
    loss,
    classWeights: null,
    epochs,
    batchSize: BATCH_SIZE,
    learningRate: trainable.kind === 'layers' || trainable.kind === 'above' ? 2e-4 : 1e-4,
    headLearningRate: trainable.kind === 'head' ? 1e-2 : 1e-3,
    warmup: 0.1,
    weightDecay: 0.01,
    clip: 1,
    patience: 3,
    // Once for every time that an image is seen: its few validation rows say little more often.
    evaluationsPerEpoch: modality === 'image' && !flip ? 1 : 2,
    flip,
    alpha: null,
    folds: 0,
    seed: 42,
    threads: usableCores(),
    budgetMs: null,
    maxMemoryBytes: null,
    maxTokens: 128,
  }
}
