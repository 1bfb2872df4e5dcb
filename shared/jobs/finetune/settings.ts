import type { FineTuneSettings, Loss } from '../../finetune/types.ts'
import { EspalierError } from '../../lib/errors.ts'
import { option, say } from '../../lib/wording.ts'
import { balanceClasses, type FineTuneData } from './data.ts'
import type { FineTuningTools } from './job.ts'
import type { FineTuneClassifierRequest, LossName, TrainableLayers } from './request.ts'

/** Inverse temperature of cosines between embeddings and prototypes. */
const COSINE_SCALE = 20
/** Folds of the cross-validation of the run, where rows are few: each holds out a third of them. */
const FOLDS = 3

/** What the base says of a training. */
export interface ReaderLimits {
  readonly trainable: TrainableLayers
  /** Longest text that it reads, in tokens. */
  readonly maxTokens: number
}

/**
 * The settings of a training; what the user left open is the trainer's own default for the rows at hand.
 * @throws EspalierError `invalid_request` for a loss that does not fit the labels
 */
export function chooseSettings(
  { tuning, seed, balance, classWeight, textReading }: FineTuneClassifierRequest,
  data: FineTuneData,
  { trainable, maxTokens }: ReaderLimits,
  { defaultSettings }: Pick<FineTuningTools, 'defaultSettings'>,
): FineTuneSettings {
  const { alpha = data.few ? 'auto' : 1 } = tuning
  const loss = chooseLoss(tuning.loss, tuning.labelSmoothing, data.multiLabel)
  const { modality = 'text' } = data
  const flip = tuning.flip === true
  if (flip && modality === 'text') {
    throw new EspalierError('invalid_request', say`${option('flip')} is for images`, {
      param: 'flip',
    })
  }
  if (tuning.maxTokens !== undefined && modality === 'image') {
    throw new EspalierError('invalid_request', say`${option('max-tokens')} is for texts`, {
      param: 'max-tokens',
    })
  }
  const rows = data.learnt.length
  const defaults = defaultSettings({ trainable, loss, rows, modality, flip })
  return {
    ...defaults,
    classWeights:
      balance || classWeight === 'balanced' ? balanceClasses(data.learnt, data.classes) : null,
    epochs: tuning.epochs ?? defaults.epochs,
    batchSize: tuning.batchSize ?? defaults.batchSize,
    learningRate: tuning.learningRate ?? defaults.learningRate,
    headLearningRate: tuning.headLearningRate ?? defaults.headLearningRate,
    alpha: alpha === 'auto' ? null : alpha,
    folds: data.few && alpha === 'auto' && trainable.kind !== 'head' ? FOLDS : 0,
    seed,
    threads: tuning.threads,
    budgetMs: tuning.budgetMs ?? null,
    maxMemoryBytes: tuning.maxMemoryBytes ?? null,
    maxTokens: Math.min(tuning.maxTokens ?? defaults.maxTokens, maxTokens),
    ...(textReading && { truncationDirection: textReading.truncationDirection }),
  }
}

/** What settings are told as, in reports and lineages. */
export function describeSettings(settings: FineTuneSettings, modality: 'text' | 'image' = 'text') {
  const { trainable, loss, epochs, batchSize, learningRate, headLearningRate } = settings
  return {
    Trained: tellTrained(trainable),
    Loss: loss.kind,
    ...(loss.kind === 'cross-entropy' && { 'Label smoothing': loss.smoothing }),
    ...(modality === 'image' && { 'Mirror images': settings.flip }),
    Balanced: settings.classWeights !== null,
    'Epochs asked for': epochs,
    'Batch size': batchSize,
    'Learning rate': learningRate,
    'Learning rate of the output layer': headLearningRate,
    'Weight decay': settings.weightDecay,
    'Warm-up': settings.warmup,
    'Largest gradient norm': settings.clip,
    Alpha: settings.alpha ?? 'chosen',
    Rehearsals: settings.folds,
    ...(modality === 'text' && { 'Longest text in tokens': settings.maxTokens }),
    ...(settings.truncationDirection === 'left' && { 'Cut away': 'left' }),
    'Time allowed in seconds': settings.budgetMs === null ? null : settings.budgetMs / 1000,
    Threads: settings.threads,
    'Training seed': settings.seed,
  }
}

function tellTrained(trainable: FineTuneSettings['trainable']): string {
  if (trainable.kind === 'layers') return `last ${trainable.count} layers`
  if (trainable.kind === 'above') return `all above ${trainable.layer}`
  return { all: 'all layers', head: 'the output layer alone' }[trainable.kind]
}

function chooseLoss(name: LossName | undefined, smoothing: number, multiLabel: boolean): Loss {
  const wanted = name ?? (multiLabel ? 'binary' : 'cross-entropy')
  if (multiLabel !== (wanted === 'binary')) {
    throw new EspalierError(
      'invalid_request',
      multiLabel
        ? say`${option('loss', wanted)} is for one label a text; with several, use binary`
        : say`${option('loss', 'binary')} is for several labels a text: see ${option('label-separator')} and ${option('multi-label')}`,
      { param: 'loss' },
    )
  }
  if (smoothing > 0 && wanted !== 'cross-entropy') {
    throw new EspalierError(
      'invalid_request',
      say`${option('label-smoothing')} is of use with cross-entropy only`,
    )
  }
  switch (wanted) {
    case 'cross-entropy':
      return { kind: 'cross-entropy', smoothing }
    case 'binary':
      return { kind: 'binary-cross-entropy' }
    case 'cosine':
      return { kind: 'cosine-softmax', scale: COSINE_SCALE }
    case 'contrastive':
      return { kind: 'contrastive' }
  }
}
