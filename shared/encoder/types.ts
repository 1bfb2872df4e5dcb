import type { EncoderInput, Modality } from '../lib/manifests/encoder-input.ts'
import type { NearestRows } from '../lib/maths/matrix-kernels.ts'
import type { WireDistance, WireMemory } from '../runtime/protocol.ts'
import type { Tokenizer } from '../runtime/text/tokenizer.ts'
import type { ResultCacheStats } from './result-cache.ts'

export type { EncoderInput, Modality } from '../lib/manifests/encoder-input.ts'
export type { WireMemory as ProjectionMemory } from '../runtime/protocol.ts'

/** The contract between an encoder and everything above it. */

/** How one encode call treats its inputs. */
export interface EncodeOptions {
  /** Cut inputs longer than `maxTokens`; false refuses them with `input_too_long`. */
  readonly truncate: boolean
  /** Which end is cut away. */
  readonly truncationDirection: 'left' | 'right'
  /**
   * Read texts longer than `maxTokens` in windows of that length, and put their vectors together: the mean, weighted by
   * tokens, or the largest value of each dimension. What is beyond `MAX_WINDOWS` is cut.
   */
  readonly windows?: 'mean' | 'max' | undefined
  /** L2-normalised vectors, or the pooled ones as they are. */
  readonly normalize: boolean
  /** Text put before every input; its tokens count. */
  readonly prompt?: string | undefined
  /** Leaves the queue when aborted; a run already inside ONNX Runtime ends first. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds in which the answer must be there; later it fails with `deadline_exceeded`. */
  readonly timeoutMs?: number | undefined
  /** Whose turn it takes while it waits, and with what weight; callers without a name share one turn. */
  readonly caller?: { readonly name: string; readonly weight: number } | null | undefined
  /** Called after each finished part with the number of inputs done so far. */
  readonly onProgress?: ((done: number) => void) | undefined
  /** Heads to apply to every vector in the same pass; see `setProjection`. */
  readonly project?: boolean | undefined
  /** Ids of memories of the projection in force to search with every vector. */
  readonly search?: readonly number[] | undefined
}

/** Vectors in the order of the inputs. */
export interface EncodedBatch {
  /** Shape [inputs, dimension], row-major. */
  readonly vectors: Float32Array
  readonly dimension: number
  /** Tokens that ran, special tokens and prompt included, per input. */
  readonly tokens: Uint32Array
  /** 1 where an input was cut, per input. */
  readonly truncated: Uint8Array
  /** Shape [inputs, columns] of the projection in force when asked for, else null. */
  readonly scores: Float32Array | null
  /** Identity of the projection that made `scores`. */
  readonly projectionId: number
  /** What was found in the memories asked for, by id; similarities and indices of shape [inputs, k]. */
  readonly neighbours: ReadonlyMap<number, NearestRows>
  /** Milliseconds spent by stage, summed over runs (workers overlap). */
  readonly timings: {
    readonly queueMs: number
    readonly tokenizeMs: number
    readonly runMs: number
  }
}

/**
 * All heads at once: one affine map, products = W·x + b, and distances of its last columns from given means.
 * Scores are the products before those columns, then the distances.
 */
export interface Projection {
  /** Increases with every change; a batch names the one it was made with. */
  readonly id: number
  /** Scores of one vector. */
  readonly columns: number
  /** Shape [width, dimension], row-major; workers share it where it lies in shared memory. */
  readonly weights: Float32Array
  /** Shape [width]. */
  readonly bias: Float32Array
  /** Shape [width]: 1 where a product reads the pooled vector instead of the unit one. */
  readonly pooled?: Uint8Array | null
  /** Each reads the next columns of the last ones. */
  readonly distances: readonly WireDistance[]
  /** Rows that heads search for the nearest neighbours of each vector. */
  readonly memories: readonly WireMemory[]
}

/** An encoder's queue now, and its counts since it was opened. */
export interface EncoderLoad {
  readonly queuedInputs: number
  readonly queuedTokens: number
  readonly busyWorkers: number
  /** Inputs that needed no run of their own: another of the same text was on its way. */
  readonly sharedInputs: number
  /** Workers that ended unasked and were replaced. */
  readonly workerCrashes: number
  /** Workers that did not come back from a run and were given up. */
  readonly stuckWorkers: number
  /** Those of them that are still inside that run. */
  readonly abandonedWorkers: number
  /** For how long no worker has been there to take a job; 0 while there is one. */
  readonly lostMs: number
  /** Null where no results are cached. */
  readonly cache: ResultCacheStats | null
}

/** What identifies an encoder to callers. */
export interface EncoderInfo {
  readonly name: string
  readonly version: number
  /** What it reads: strings, or the bytes of image files. */
  readonly modality: Modality
  /** `bert`, `distilbert` …; `onnx` for a foreign graph, which has no weights to fine-tune. */
  readonly architecture?: string | undefined
  readonly dimension: number
  /** Longest text; for images what each of them counts, whatever its size. */
  readonly maxTokens: number
  readonly pooling: string
  readonly family: string
  readonly fingerprint: string
  readonly precision: 'float32' | 'float16' | 'int8'
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPrompt: string | null
  /** The execution provider that really runs: `cpu`, `cuda` or `webgpu`. */
  readonly device: string
  readonly workers: number
}

/** A loaded, self-tested encoder. */
export interface Encoder {
  readonly info: EncoderInfo
  /**
   * Turns texts, or images, into vectors. Options of texts mean nothing to images.
   * @throws EspalierError `wrong_modality`, `input_too_long`, `input_too_large`, `invalid_image`,
   *   `image_too_large`, `unsupported_image` (each with param `inputs[i]`), `overloaded`, `deadline_exceeded`, `encoder_stuck`,
   *   `request_cancelled`, `shutting_down`
   */
  encode(inputs: readonly EncoderInput[], options: EncodeOptions): Promise<EncodedBatch>
  /** Replaces the stacked heads in every worker; resolves when all have it. Null removes them. */
  setProjection(projection: Projection | null): Promise<void>
  /** What waits and what has happened so far, for probes and metrics. */
  load(): EncoderLoad
  /** What turns its texts into tokens, for looking at them without running them; null or missing where there is none. */
  openTokenizer?(): Promise<Pick<Tokenizer, 'encode' | 'unknownId'> | null>
  /** Stops intake, lets accepted work finish, releases sessions. Never interrupts a run. */
  close(): Promise<void>
}
