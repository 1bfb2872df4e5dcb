import type { Encoder } from '../../encoder/types.ts'
import type { ExportEncoderOptions } from '../../exporter/export-encoder.ts'
import type { ExportImageEncoderOptions } from '../../exporter/export-image-encoder.ts'
import type { SourceAnswers } from '../../exporter/source/answers.ts'
import type { Logger, Progress } from '../../lib/logger.ts'
import type { EncoderManifest, Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { ImageCheck } from '../../lib/manifests/image-preprocessing.ts'
import type { Wording } from '../../lib/wording.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type { HeadDeps, TrainHeadRequest, TrainHeadResult } from '../heads/request.ts'

/** What fine-tuning works with. */
export interface FineTuneDeps extends HeadDeps {
  /** Opens an encoder by name or folder; the job closes what it opens. */
  readonly openEncoder: (options: {
    readonly model: string
    readonly precision: Precision
    readonly onProgress?: Progress | undefined
    readonly signal?: AbortSignal | undefined
  }) => Promise<Encoder>
  readonly exportEncoder: (
    options: Omit<ExportEncoderOptions, 'defaultCalibration' | 'threads'>,
  ) => Promise<EncoderManifest>
  readonly exportImageEncoder: (options: ExportImageEncoderOptions) => Promise<EncoderManifest>
  readonly builtinEncoders: () => Promise<readonly string[]>
  /** Where the built-in encoders' weights lie, the worker that trains, and texts for int8. */
  readonly builtinFolder: string
  readonly workerUrl: URL
  readonly calibrationTexts: string
  /** What is said of folders that leave something open. */
  readonly answers?: SourceAnswers | undefined
  /** Most pixels of an image. */
  readonly maxImagePixels: number
  /** Whether damaged JPEGs are refused. */
  readonly imageCheck: ImageCheck
  /** Folder of the embedding cache, and one for weights and graphs until they are published. */
  readonly embeddingFolder: string
  readonly scratchFolder: string
  readonly log: Logger
}

/** The losses by the names that users give them. */
export const LOSS_NAMES = ['cross-entropy', 'binary', 'cosine', 'contrastive'] as const
export type LossName = (typeof LOSS_NAMES)[number]

/** Which layers are trained. */
export type TrainableLayers =
  | { readonly kind: 'all' }
  | { readonly kind: 'layers'; readonly count: number }
  | { readonly kind: 'above'; readonly layer: string }
  | { readonly kind: 'head' }

/** How the encoder is trained; what is null or left out is chosen for the rows at hand. */
export interface TuningOptions {
  /** All of an encoder of texts, the last blocks of an image network where it is left out. */
  readonly layers?: TrainableLayers | undefined
  readonly loss?: LossName | undefined
  readonly labelSmoothing: number
  readonly epochs?: number | undefined
  readonly batchSize?: number | undefined
  readonly learningRate?: number | undefined
  readonly headLearningRate?: number | undefined
  /**
   * Weight interpolation (WiSE-FT): alpha · tuned + (1 - alpha) · base, above 0 and at most 1; `auto` chooses alpha on
   * rows that are not learnt. @default `auto` where rows are too few to hold some out, else 1
   */
  readonly alpha?: number | 'auto' | undefined
  /** Images: learn each one mirrored as well. @default false */
  readonly flip?: boolean | undefined
  /** Time for training alone, in milliseconds. */
  readonly budgetMs?: number | undefined
  readonly maxMemoryBytes?: number | undefined
  /** Longer texts are cut while training; the encoder's own limit where it is left out. */
  readonly maxTokens?: number | undefined
  readonly threads: number
}

/** One fine-tuning: a training of a classifier, and of the encoder below it. */
export interface FineTuneClassifierRequest extends TrainHeadRequest {
  /** A built-in encoder, or the folder of one: Hugging Face's, or an image network's. */
  readonly base: string
  readonly encoderName: string
  /** The precision that is served; the frozen head and the new one are fitted on its vectors. */
  readonly precision: Precision
  readonly tuning: TuningOptions
  /** Share of each class of the training rows that steers the training, 0 to 0.5. */
  readonly validationFraction: number
  /** A folder for the tuned weights in Hugging Face's form; thrown away where it is left out. */
  readonly output?: string | undefined
}

/** What came of a fine-tuning. */
export interface FineTuneClassifierResult extends TrainHeadResult {
  /** Null where nothing was published, and where the encoder itself stayed as it was. */
  readonly encoder: RegistryVersion | null
  /** What went differently from what was asked for, in sentences. */
  readonly notes: readonly Wording[]
  /** Why tuning does not pay, so that nothing is published; the report is then of the frozen head. Null where it does. */
  readonly refusal: Wording | null
}
