import type { Clock } from '../lib/clock.ts'
import type { ImageCheck } from '../lib/manifests/image-preprocessing.ts'

/** Texts, or images by their paths, with what is to be learnt of them. */
export interface LabelledTexts {
  readonly texts: readonly string[]
  /** Shape [rows, classes]: 0 or 1; one 1 a row unless the loss is binary cross-entropy. */
  readonly targets: Float32Array
  readonly classes: number
  /** Shape [rows]: rows with the same number stay in one fold; -1 for those that stand alone. */
  readonly together?: Int32Array | undefined
}

/**
 * Which tensors are trained: every layer, the last `count` layers, those above a named layer of an image network,
 * or the output layer alone.
 */
export type Trainable =
  | { readonly kind: 'all' }
  | { readonly kind: 'layers'; readonly count: number }
  | { readonly kind: 'above'; readonly layer: string }
  | { readonly kind: 'head' }

/** What is minimised; graph/losses.ts has the formulas. */
export type Loss =
  /** `smoothing` moves that share of each target evenly to all classes, 0 ≤ smoothing < 1. */
  | { readonly kind: 'cross-entropy'; readonly smoothing: number }
  | { readonly kind: 'binary-cross-entropy' }
  /** `scale` is the inverse temperature of the cosines between embeddings and class prototypes. */
  | { readonly kind: 'cosine-softmax'; readonly scale: number }
  | { readonly kind: 'contrastive' }

/** How an encoder is trained; `defaultSettings` has values that are known to work. */
export interface FineTuneSettings {
  readonly trainable: Trainable
  readonly loss: Loss
  /** Shape [classes]: how much a row of each class counts; null for all alike. */
  readonly classWeights: Float32Array | null
  /** Passes over the training rows; a part of one is allowed, 0 trains nothing. */
  readonly epochs: number
  readonly batchSize: number
  /** Peak learning rate of the encoder's weights. */
  readonly learningRate: number
  /** Peak learning rate of the output layer. */
  readonly headLearningRate: number
  /** Share of the steps in which the learning rate rises from 0. */
  readonly warmup: number
  /** Decoupled weight decay; biases and layer normalisations have none. */
  readonly weightDecay: number
  /** Largest global L2 norm of the gradient; larger ones are scaled down to it. */
  readonly clip: number
  /** Evaluations in a row without a better one after which training stops; null never stops early. */
  readonly patience: number | null
  readonly evaluationsPerEpoch: number
  /** Share of the tuned weights in the interpolation with the base's, above 0 and at most 1; null for one that is chosen. */
  readonly alpha: number | null
  /**
   * Folds of the cross-validation that chooses alpha where rows are too few to hold some out: for each fold the
   * encoder is trained once more, on the others. 0 for none: the validation rows choose.
   */
  readonly folds: number
  /** Images: learn each one mirrored as well. */
  readonly flip: boolean
  readonly seed: number
  readonly threads: number
  /** Time for training and evaluation; the schedule is planned to end within it. */
  readonly budgetMs: number | null
  /** Null for what machine and container have free. */
  readonly maxMemoryBytes: number | null
  /** Longer texts are cut. */
  readonly maxTokens: number
  /** The end of longer texts that is cut away. @default right */
  readonly truncationDirection?: 'left' | 'right' | undefined
}

/** Why training ended. */
export type StopReason = 'finished' | 'patience' | 'budget' | 'cancelled' | 'diverged'

/** What fine-tuning is doing. */
export type FineTunePhase =
  | 'reading'
  | 'caching'
  | 'training'
  | 'evaluating'
  | 'rehearsing'
  | 'judging'
  | 'writing'

/** One evaluation. */
export interface CurvePoint {
  /** Steps taken before it. */
  readonly step: number
  /** Seconds since the start of training. */
  readonly seconds: number
  /** Mean over the steps since the evaluation before; null before the first step. */
  readonly trainLoss: number | null
  /** Null without validation rows, as is the accuracy. */
  readonly validationLoss: number | null
  /** Share of the rows whose labels are all right. */
  readonly validationAccuracy: number | null
  /** Of the encoder's weights at this step. */
  readonly learningRate: number
}

/** Where fine-tuning stands. */
export interface FineTuneProgress {
  readonly phase: FineTunePhase
  readonly step: number
  /** Steps that are planned; may shrink once the speed is known and a budget is set. */
  readonly steps: number
  readonly epoch: number
  /** Mean of the last steps' losses; null before the first. */
  readonly loss: number | null
  /** Of the last evaluation. */
  readonly validationAccuracy: number | null
  readonly learningRate: number
  /** Null before the speed is known. */
  readonly secondsLeft: number | null
}

/** What came of fine-tuning. The weights are in the output folder. */
export interface FineTuneResult {
  readonly stopped: StopReason
  /** Steps taken. */
  readonly steps: number
  /** The step whose weights were kept; 0 where those of the base are best. */
  readonly bestStep: number
  /** How much of the tuned weights is in those that were written. */
  readonly blend: Interpolation
  /** Passes made over the training rows. */
  readonly epochs: number
  readonly curve: readonly CurvePoint[]
  /** Trained numbers, the output layer's included. */
  readonly trainedParameters: number
  /** Texts cut at `maxTokens`. */
  readonly truncated: { readonly train: number; readonly validation: number }
  /** Growth of the process's resident memory. */
  readonly memory: { readonly predictedBytes: number; readonly peakBytes: number }
  readonly timings: FineTuneTimings
  /** Scores = weight · embedding + bias, for the L2-normalised embeddings of the weights that were kept. */
  readonly head: {
    /** Shape [classes, dimension]. */
    readonly weight: Float32Array
    /** Shape [classes]. */
    readonly bias: Float32Array
  }
}

/** The interpolation between base and tuned weights, and why alpha is what it is. */
export interface Interpolation {
  /** 1 for the tuned weights as they are; 0 where nothing beats the base, whose weights were written then. */
  readonly alpha: number
  /** `given` by the settings; `none` where nothing could be evaluated. */
  readonly basis: 'validation' | 'cross-validation' | 'given' | 'none'
  /** Rows that alpha was evaluated on. */
  readonly rows: number
  /** Ascending; empty where alpha was not chosen. */
  readonly scores: readonly AlphaScore[]
  /**
   * Factor on the temperature of a head that was calibrated on learnt rows, by cross-validation; 1 where that is
   * not known.
   */
  readonly cooling: number
  /**
   * What is added to the detector's threshold of such a head, by cross-validation: learnt rows lie closer than others.
   * Null where that is not known.
   */
  readonly widening: number | null
}

/** One alpha beside the base, on the same rows. */
export interface AlphaScore {
  readonly alpha: number
  readonly accuracy: number
  /** Accuracy less the base's, and the standard error of that paired difference. */
  readonly gain: number
  readonly error: number
}

/** Milliseconds of each phase. */
export interface FineTuneTimings {
  readonly readMs: number
  /** Activations of frozen layers, computed once. */
  readonly cacheMs: number
  readonly trainMs: number
  readonly evaluateMs: number
  /** Choosing alpha, trainings for it included. */
  readonly judgeMs: number
  readonly writeMs: number
}

/** What to train, on what, and where the weights go. */
export interface FineTuneRequest {
  /** A Hugging Face folder of a BERT-family encoder, or that of an image network; nothing in it is changed. */
  readonly baseFolder: string
  /** The folder to make; it appears whole or not at all. */
  readonly outputFolder: string
  readonly train: LabelledTexts
  /** May have no rows: then the last weights are kept. */
  readonly validation: LabelledTexts
  readonly settings: FineTuneSettings
  /** `random` forgets what the encoder's layers have learnt, to see what pretraining is worth. @default 'pretrained' */
  readonly initialisation?: 'pretrained' | 'random' | undefined
  /** Most pixels of an image. @default 50 million */
  readonly maxImagePixels?: number | undefined
  /** Whether damaged JPEGs are refused. @default 'strict' */
  readonly imageCheck?: ImageCheck | undefined
  /** Where the base is an image network: the files of the rows. */
  readonly loadImage?: FineTuneTools['loadImage'] | undefined
  readonly onProgress?: ((progress: FineTuneProgress) => void) | undefined
  /** Ends training after the step under way and keeps the best weights. */
  readonly signal?: AbortSignal | undefined
}

/** What of it goes to the worker thread. */
export type WorkerRequest = Omit<FineTuneRequest, 'onProgress' | 'signal' | 'loadImage'>

/** What a run needs of the thread that it is in. */
export interface FineTuneTools {
  readonly clock: Clock
  isCancelled(): boolean
  onProgress(progress: FineTuneProgress): void
  /** The file of an image. @throws EspalierError `invalid_data` where it can be read no more */
  loadImage(set: 'train' | 'validation', row: number): Promise<Uint8Array>
}
