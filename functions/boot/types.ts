import type { SecretAddress } from '../../shared/aws/address.ts'
import type { OpenSecretOptions, Secret } from '../../shared/aws/open-secret.ts'
import type { BulkPlace } from '../../shared/bulk/place.ts'
import type { DataFormat } from '../../shared/dataset/types.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import type { LayeredNetwork } from '../../shared/encoders/layer-encoders.ts'
import type { ExportEncoderOptions } from '../../shared/exporter/export-encoder.ts'
import type { ExportImageEncoderOptions } from '../../shared/exporter/export-image-encoder.ts'
import type { ListedLayers } from '../../shared/exporter/image/list-layers.ts'
import type { FolderInspection, InspectOptions } from '../../shared/exporter/inspect-folder.ts'
import type { SourceAnswers } from '../../shared/exporter/source/answers.ts'
import type { OwnClassifier } from '../../shared/exporter/source/own-classifier.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { Logger, Progress } from '../../shared/lib/logger.ts'
import type { Modality } from '../../shared/lib/manifests/encoder-input.ts'
import type { EncoderManifest, Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import type { ImageCheck } from '../../shared/lib/manifests/image-preprocessing.ts'
import type { Registry as ModelRegistry } from '../../shared/registry/types.ts'
import type { Thumbnailer } from '../../shared/runtime/image/image-decoder.ts'
import type { OwnedMatrixKernels } from '../../shared/runtime/kernels/kernels.ts'
import type { ModelSummary } from '../../shared/versions/list-models.ts'
import type { RunningApp, RunningServer } from './serve/start-server.ts'
import type { RunningService } from './start-service.ts'

/** How an encoder is opened; what is left out comes from the configuration. */
export interface OpenOptions {
  readonly model?: string | undefined
  readonly precision?: Precision | undefined
  readonly workers?: number | undefined
  /** Jobs of several runs, where nobody waits for a single text. @default true but in servers */
  readonly longJobs?: boolean | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** How a server is started. */
export interface ServeOptions extends OpenOptions {
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** Start without the registry, from what the cache has; the configuration can say so as well. */
  readonly offlineOk?: boolean | undefined
}

/** What a process can be made of. */
export interface Boot {
  readonly config: Config
  readonly log: Logger
  /** Folder for what can be made again: exported graphs, verified files, training embeddings. */
  readonly cacheFolder: string
  /** The registry over the built-in heads, opened on first use and shared from then on. */
  openRegistry(): Promise<ModelRegistry>
  /** Another registry, without the built-in heads; close it when done. */
  openRegistryAt(url: string): Promise<ModelRegistry>
  /** Names of the encoders that ship with the product. */
  builtinEncoders(): Promise<readonly string[]>
  /** Matrix kernels in this thread, for jobs and command lines; close them when done. */
  openKernels(): Promise<OwnedMatrixKernels>
  /** Makes thumbnails of image files, for reports. */
  openThumbnailer(): Promise<Thumbnailer>
  /** Opens the encoder that a name means for a job, which waits for it however long; exports it on first use. */
  openEncoder(options?: OpenOptions): Promise<Encoder>
  /** Exports a Hugging Face folder into an artifact folder. */
  exportEncoder(
    options: Omit<ExportEncoderOptions, 'defaultCalibration' | 'threads'>,
  ): Promise<EncoderManifest>
  /** The classifier that an export of a folder can take along; null for encoders. */
  findOwnClassifier(
    folder: string,
    answers: Pick<SourceAnswers, 'onnx'>,
  ): Promise<OwnClassifier | null>
  /** What a folder is of: images where it says how images are prepared. */
  modalityOf(folder: string): Promise<Modality>
  /** Exports an ONNX image network into an artifact folder. */
  exportImageEncoder(options: Omit<ExportImageEncoderOptions, 'threads'>): Promise<EncoderManifest>
  /** The layers that an image network can be cut at, and the one that an export takes. */
  listLayers(folder: string): Promise<ListedLayers>
  /** What the folder of a text encoder is, and what an export would make of it. */
  inspectFolder(folder: string, options: InspectOptions): Promise<FolderInspection>
  /** What fine-tuning needs besides: weights, the worker that trains, texts for int8, and how many threads. */
  readonly fineTuning: {
    readonly builtinFolder: string
    readonly workerUrl: URL
    readonly calibrationTexts: string
    readonly maxImagePixels: number
    readonly imageCheck: ImageCheck
    readonly threads: number
    readonly answers?: SourceAnswers | undefined
  }
  /** The network of an image encoder, with its layers; a built-in one, or a folder. */
  openNetwork(encoder: string): Promise<LayeredNetwork>
  listModels(): Promise<readonly ModelSummary[]>
  /** The use cases without HTTP, for programs that call them in their own process. */
  openService(options?: OpenOptions): Promise<RunningService>
  /** The application without a server, for hosts that bring requests as events. */
  openApp(): Promise<RunningApp>
  /** Where Lambda says that this process goes on from a snapshot; null where none is taken. */
  readonly snapshotRuntime: string | null
  /** A folder or a place on S3 that shards are read from or results written to; close it when done. */
  openBulkPlace(url: string, format?: DataFormat): Promise<BulkPlace>
  /** The region of AWS that the environment says. */
  readonly awsRegion: string | undefined
  /** A secret of AWS, whose client is loaded here; close it when done. */
  openSecret(address: SecretAddress, options?: OpenSecretOptions): Promise<Secret>
  /** Listens until the signal aborts. */
  serve(options?: ServeOptions): Promise<RunningServer>
}
