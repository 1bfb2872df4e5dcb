import type { DatasetWarning } from '../../dataset/summary.ts'
import type { Encoder } from '../../encoder/types.ts'
import type { LayeredNetwork } from '../../encoders/layer-encoders.ts'
import type { TextReading } from '../../head/head.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Progress } from '../../lib/logger.ts'
import type { Wording } from '../../lib/wording.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import type { Method, TrainOptions } from '../../training/types.ts'
import type { EmbedJobDeps } from '../rows/embed-for-job.ts'
import type { DataRequest } from './data.ts'
import type { Compute, OpenKernels } from './tools.ts'

/** Wrong texts that a report quotes of each confusion, where it may. */
export const QUOTES = 3

/** Makes a data URI of a small image from an image file; throws where it cannot be read. */
export type MakeThumbnail = (file: Uint8Array) => Promise<string>

/** What every job that makes a head works with. */
export interface HeadDeps {
  readonly openKernels: OpenKernels
  readonly registry: Registry
  readonly clock: Clock
  /** Where what could not be published is kept; it is lost where there is none. */
  readonly unpublishedFolder?: string | undefined
  /** For the images of a report. */
  readonly openThumbnailer: () => Promise<MakeThumbnail>
}

/** A network with the layers to choose among; one layer is no choice. */
export interface LayerOptions {
  readonly network: LayeredNetwork
  readonly layers: readonly string[]
  /** Opens an artifact folder. */
  readonly openArtifact: (folder: string, onProgress?: Progress | undefined) => Promise<Encoder>
}

/** What training works with. */
export interface TrainHeadDeps extends HeadDeps, EmbedJobDeps {
  /** Layers to train on, or to choose among, instead of what `openEncoder` opens. */
  readonly layers?: LayerOptions | undefined
}

/** The promotion mode: make the new version champion never, unless it is worse than the present one, or in any case. */
export type PromotionMode = 'no' | 'unless-worse' | 'always'

/** What every job that makes a head is asked. */
export interface HeadRequest {
  readonly name: string
  readonly seed: number
  readonly promote: PromotionMode
  readonly reason?: string | undefined
  /** Who trains, for the card and the history. */
  readonly by?: string | undefined
  /** The same job under the same key gives the same version. */
  readonly idempotencyKey?: string | undefined
  readonly description?: string | undefined
  /** How texts are read that are longer than the encoder reads; the head keeps it. @default cut at the right */
  readonly textReading?: TextReading | undefined
  /** Do everything but publish. */
  readonly dryRun: boolean
  /** Quote misclassified test texts in the report, which is then stored with the version. */
  readonly quoteTexts: boolean
  /** Show misclassified test images in the report, small ones, which is then stored with the version. */
  readonly thumbnails?: boolean | undefined
  /** Measure the accuracy with fewer rows, too. @default true */
  readonly learningCurve?: boolean | undefined
  /** Find the score from which answers are right with this precision, below 1; the version keeps it. */
  readonly precisionAt?: number | undefined
  /** The command line, for the lineage. */
  readonly command: string
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** One training. */
export interface TrainHeadRequest extends HeadRequest, DataRequest {
  readonly method: Method
  readonly folds: number
  /** How much of the share of each class is left out of its probability; the other options decide where it is missing. */
  readonly balance?: TrainOptions['balance']
  readonly optimise?: TrainOptions['optimise']
  readonly classWeight?: TrainOptions['classWeight']
  /** Keep the training embeddings where voting by neighbours helps. */
  readonly memory: boolean
  /** Leave rows whose label is likely wrong out of the fit. @default where clearly many are wrong */
  readonly dropSuspects?: boolean | undefined
}

/** What every step of a job has at hand. */
export interface HeadJob<Deps = HeadDeps, Request = HeadRequest> extends Compute {
  readonly deps: Deps
  readonly request: Request
  readonly watch: Stopwatch
}

/** Measures the stages of a job, one after the other, in milliseconds. */
export interface Stopwatch {
  readonly timings: TrainingReport['timings']
  /** Ends the stage that is called so; the next one begins. */
  finish(stage: string): void
}

/** What came of the promotion. */
export type Promotion =
  | { readonly status: 'none' }
  | { readonly status: 'promoted'; readonly from: number | null }
  /** An earlier try under the same key did it; what was promoted since stays. */
  | { readonly status: 'promoted-before' }
  /** The version exists, but the alias stays where it is; the reason is a whole sentence. */
  | { readonly status: 'refused'; readonly reason: string | Wording }

/** The report as the files of a version. */
export interface ReportFiles {
  readonly markdown: string
  readonly json: string
  readonly html: string
}

/** What came of a job that makes a head. */
export interface TrainHeadResult {
  /** Null for a dry run. */
  readonly version: RegistryVersion | null
  /** False where the idempotency key had made the version before. */
  readonly created: boolean
  readonly report: TrainingReport
  readonly files: ReportFiles
  /** What the report measures, as lines of a terminal. */
  readonly figures: readonly string[]
  readonly warnings: readonly DatasetWarning[]
  /** What the user should do, in sentences. */
  readonly advice?: readonly Wording[] | undefined
  readonly promotion: Promotion
  readonly embeddings: {
    readonly cached: number
    readonly computed: number
    readonly truncated: number
  }
}
