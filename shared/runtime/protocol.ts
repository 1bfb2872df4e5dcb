import { type ErrorCode, EspalierError, type Place } from '../lib/errors.ts'
import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import type { EncoderManifest, Precision } from '../lib/manifests/encoder-manifest.ts'
import type { ImageCheck } from '../lib/manifests/image-preprocessing.ts'
import type { Wording } from '../lib/wording.ts'
import type { Device } from './session.ts'

/** The messages between the pool and its workers. A worker answers in the order of arrival. */

/** What a worker is started with. */
export interface WorkerInit {
  readonly artifactDir: string
  readonly manifest: EncoderManifest
  readonly precision: Precision
  readonly device: Device
  /** Most pixels of an image. @default 50 million */
  readonly maxImagePixels?: number | undefined
  /** Whether damaged JPEGs are refused. @default 'strict' */
  readonly imageCheck?: ImageCheck | undefined
  /** Where given, no file is opened before this latch is open: see `createVerificationLatch`. */
  readonly latch?: SharedArrayBuffer
}

/** Windows of one text: with 256 tokens each some 6,000 words. */
export const MAX_WINDOWS = 32

/** How the inputs of one request are to be treated; a job carries one for each request in it. */
export interface JobMode {
  readonly prompt: string
  readonly truncate: boolean
  readonly truncationDirection: 'left' | 'right'
  /** How the vectors of a long text's windows are put together; absent where it is cut instead. */
  readonly windows?: 'mean' | 'max' | undefined
  /** L2-normalised vectors, or the pooled ones as they are. */
  readonly normalize: boolean
  /** Identity of the projection to apply; 0 for none. */
  readonly projection: number
  /** Identities of the memories to search. */
  readonly memories: readonly number[]
}

/** Inputs for one worker, possibly of several requests. */
export interface Job {
  readonly inputs: readonly EncoderInput[]
  readonly modes: readonly JobMode[]
  /** Index into `modes`, per input. */
  readonly modeOf: Uint8Array | Uint16Array
  /** Inputs whose unit vectors are known already: only heads are applied. Absent where there are none. */
  readonly known?: KnownRows
}

/** Unit vectors of some inputs of a job, which carries empty strings in their place. */
export interface KnownRows {
  /** Positions in the job's inputs. */
  readonly rows: Uint32Array
  /** Shape [rows, dimension]. */
  readonly vectors: Float32Array
  /** Shape [rows]: see `JobResult`. */
  readonly norms: Float32Array
}

/** An error in a form that survives the thread boundary. */
export interface WireError {
  readonly code: ErrorCode
  readonly wording: Wording
  readonly param?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  readonly index?: number | undefined
  readonly place?: Place | undefined
  readonly cause?: WireCause | undefined
}

/** What an error came from: enough for a log. */
export interface WireCause {
  readonly name: string
  readonly message: string
  /** A code of ours, or of the operating system. */
  readonly code?: string | undefined
  readonly cause?: WireCause | undefined
}

/** What a worker made of a job; rows in the order of the job's inputs. */
export interface JobResult {
  /** Shape [inputs, dimension]. */
  readonly vectors: Float32Array
  /** Shape [inputs]: lengths of the pooled vectors, for heads that read these; 1 where the graph has none. */
  readonly norms: Float32Array
  readonly tokens: Uint32Array
  readonly truncated: Uint8Array
  /** One entry for each projection that was applied. */
  readonly scores: readonly ProjectionScores[]
  /** One entry for each memory that was searched. */
  readonly neighbours: readonly MemoryNeighbours[]
  /** Inputs that failed on their own; their rows are zero. */
  readonly failures: readonly { readonly index: number; readonly error: WireError }[]
  readonly tokenizeMs: number
  readonly runMs: number
}

/** Scores of a job under one projection; rows of inputs that did not ask for it are zero. */
export interface ProjectionScores {
  readonly projection: number
  readonly columns: number
  /** Shape [inputs, columns]. */
  readonly values: Float32Array
}

/** What a job found in one memory, best first; rows of inputs that did not ask for it are zero. */
export interface MemoryNeighbours {
  readonly memory: number
  readonly k: number
  /** Shape [inputs, k]. */
  readonly similarities: Float32Array
  /** Shape [inputs, k]. */
  readonly indices: Int32Array
}

/** Stacked heads as they travel: products = x·weightsᵀ + bias, the last columns turned into distances. */
export interface WireProjection {
  readonly id: number
  /** Scores of one row. */
  readonly columns: number
  /** Shape [width, dimension]; travels without a copy where it lies in shared memory. */
  readonly weights: Float32Array
  /** Shape [width]. */
  readonly bias: Float32Array
  /** Shape [width]: 1 where the product reads pooled vectors instead of unit ones; null where none does. */
  readonly pooled?: Uint8Array | null
  readonly distances: readonly WireDistance[]
}

/** min over groups |y - mean|² - Σ background_j y_j² of the next columns y [rank]. */
export interface WireDistance {
  /** Shape [groups, rank]. */
  readonly means: Float32Array
  /** Shape [rank]. */
  readonly background: Float32Array
}

/** Unit rows to search by inner product; row i is `embeddings[i] · scales[i]`. */
export interface WireMemory {
  /** Stays the same while the rows do: workers keep what they have across projections. */
  readonly id: number
  /** Shape [rows, dimension]. */
  readonly embeddings: Int8Array
  /** Shape [rows]. */
  readonly scales: Float32Array
  /** Neighbours to find; fewer where there are fewer rows. */
  readonly k: number
}

export type ToWorker =
  | { readonly type: 'run'; readonly id: number; readonly job: Job }
  | { readonly type: 'project'; readonly id: number; readonly projection: WireProjection }
  | { readonly type: 'unproject'; readonly id: number; readonly projection: number }
  | { readonly type: 'addMemory'; readonly id: number; readonly memory: WireMemory }
  | { readonly type: 'dropMemory'; readonly id: number; readonly memory: number }
  | { readonly type: 'stop' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: WireError }
  | { readonly type: 'result'; readonly id: number; readonly result: JobResult }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'error'; readonly id: number; readonly error: WireError }

/** Causes kept of an error, each with so much of its message. */
const MAX_CAUSES = 4
const MAX_CAUSE_LENGTH = 2_000

/** An error as it travels; an unknown failure becomes `internal`, with itself as the cause. */
export function toWireError(error: unknown): WireError {
  if (!(error instanceof EspalierError)) {
    const wording = [error instanceof Error ? error.message : String(error)]
    return { code: 'internal', wording, cause: toWireCause(error, MAX_CAUSES) }
  }
  const { code, wording, param, retryAfterSeconds, index, place } = error
  const cause = toWireCause(error.cause, MAX_CAUSES)
  return { code, wording, param, retryAfterSeconds, index, place, cause }
}

/** The error that a worker reported, as one of ours. */
export function fromWireError({ code, wording, cause, ...about }: WireError): EspalierError {
  return new EspalierError(code, wording, {
    ...about,
    ...(cause !== undefined && { cause: fromWireCause(cause) }),
  })
}

function toWireCause(error: unknown, left: number): WireCause | undefined {
  if (error === undefined || error === null || left === 0) return undefined
  if (!(error instanceof Error)) {
    return { name: 'Error', message: String(error).slice(0, MAX_CAUSE_LENGTH) }
  }
  const { name, message, cause } = error
  return {
    name,
    message: message.slice(0, MAX_CAUSE_LENGTH),
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    cause: toWireCause(cause, left - 1),
  }
}

function fromWireCause({ name, message, code, cause }: WireCause): Error {
  const options = cause === undefined ? {} : { cause: fromWireCause(cause) }
  return Object.assign(new Error(message, options), { name }, code !== undefined && { code })
}
