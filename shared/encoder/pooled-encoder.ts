import { join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import type { EncoderManifest, Precision } from '../lib/manifests/encoder-manifest.ts'
import { groupingFor, groupingOfImages } from '../runtime/grouping.ts'
import type { Device } from '../runtime/session.ts'
import { createVerificationLatch, type VerificationLatch } from '../runtime/verification-latch.ts'
import { createPool } from '../runtime/workers/create-pool.ts'
import type { Pool } from '../runtime/workers/pool.ts'
import type { PrespawnedWorker } from '../runtime/workers/prespawned-worker.ts'
import type { Ticker } from '../runtime/workers/run-deadline.ts'
import { Dispatcher, type EncoderLimits } from './dispatcher.ts'
import { checkModality, createInputKind } from './input-kind.ts'
import { ProjectionRegistry } from './projections.ts'
import { EncodeRequest } from './request.ts'
import { ResultCache } from './result-cache.ts'
import type { EncodedBatch, EncodeOptions, Encoder, EncoderInfo, Projection } from './types.ts'
import { filesToLoad, tokenizerOf, verifyArtifact } from './verify-artifact.ts'

/** What an encoder is made from. */
export interface EncoderOptions {
  readonly artifactDir: string
  readonly manifest: EncoderManifest
  readonly precision: Precision
  readonly version: number
  readonly workers: number
  readonly device: Device
  /** The bundled worker, `dist/encoder-worker.cjs`. */
  readonly workerUrl: URL
  /** A worker under way already, taken first. */
  readonly prespawned?: PrespawnedWorker | undefined
  readonly limits: EncoderLimits
  /** Memory for vectors of inputs seen before; 0 keeps none. @default 0 */
  readonly resultCacheBytes?: number
  /**
   * Jobs of several runs: some 8 % more tokens a second, but a text that comes later waits for them. Of images
   * and on GPUs jobs are as they are. @default false
   */
  readonly longJobs?: boolean | undefined
  /** What the deadlines of runs are counted by. @default a timer */
  readonly ticker?: Ticker | undefined
  readonly log: Logger
  /** Called once the files are verified, while the workers load them. */
  readonly onVerified?: (() => void) | undefined
}

/**
 * Verifies the artifact's files while the workers start, and proves these on the golden inputs.
 * @throws EspalierError `artifact_corrupt`, `invalid_model_file`, `self_test_failed`, `invalid_config`
 */
export async function createEncoder(options: EncoderOptions): Promise<Encoder> {
  const { artifactDir, manifest, precision, device } = options
  const files = filesToLoad(manifest, precision)
  const latch = createVerificationLatch()
  let encoder: PooledEncoder | null = null
  const creating = createPool({
    workerUrl: options.workerUrl,
    init: {
      artifactDir,
      manifest,
      precision,
      device,
      maxImagePixels: options.limits.maxImagePixels,
      imageCheck: options.limits.imageCheck,
      latch: latch.state,
    },
    workers: options.workers,
    prespawned: options.prespawned,
    runTimeoutMs: options.limits.runTimeoutMs,
    loadTimeoutMs: options.limits.loadTimeoutMs,
    ticker: options.ticker,
    log: options.log,
    onFree: () => encoder?.dispatch(),
  })
  const verifying = verifyInOrder(options, files, latch).catch((error: unknown) => {
    latch.refuse()
    throw error
  })
  const [verified, created] = await Promise.allSettled([verifying, creating])
  if (verified.status === 'rejected') {
    if (created.status === 'fulfilled') await created.value.close()
    throw verified.reason
  }
  if (created.status === 'rejected') throw created.reason
  encoder = new PooledEncoder(options, created.value)
  return encoder
}

/** A tokenizer first, which workers read while the graph is hashed. */
async function verifyInOrder(
  { artifactDir, manifest, onVerified }: EncoderOptions,
  files: readonly string[],
  latch: VerificationLatch,
): Promise<void> {
  const tokenizer = tokenizerOf(manifest)
  if (tokenizer !== null) await verifyArtifact(artifactDir, manifest, [tokenizer])
  latch.open('inputs')
  const graph = files.filter((file) => file !== tokenizer)
  await verifyArtifact(artifactDir, manifest, graph)
  latch.open('graph')
  onVerified?.()
}

class PooledEncoder implements Encoder {
  readonly info: EncoderInfo
  readonly #pool: Pool
  readonly #dispatcher: Dispatcher
  readonly #projections: ProjectionRegistry
  readonly #cache: ResultCache | null
  readonly #active = new Set<Promise<unknown>>()
  readonly #tokenizerPath: string | null
  #closing: Promise<void> | null = null

  constructor(options: EncoderOptions, pool: Pool) {
    const tokenizer = tokenizerOf(options.manifest)
    this.#tokenizerPath = tokenizer === null ? null : join(options.artifactDir, tokenizer)
    const { manifest, limits, resultCacheBytes = 0, longJobs = false } = options
    const { dimension } = manifest
    this.info = describe(options, pool)
    this.#pool = pool
    this.#cache = resultCacheBytes > 0 ? new ResultCache(resultCacheBytes) : null
    this.#dispatcher = new Dispatcher({
      pool,
      grouping:
        manifest.modality === 'image'
          ? groupingOfImages(manifest.tokens)
          : groupingFor(pool.device),
      limits,
      dimension,
      kind: createInputKind(manifest, limits),
      fingerprint: this.info.fingerprint,
      cache: this.#cache,
      longJobs: longJobs && manifest.modality === 'text' && pool.device === 'cpu',
    })
    this.#projections = new ProjectionRegistry(pool, dimension)
  }

  async encode(inputs: readonly EncoderInput[], options: EncodeOptions): Promise<EncodedBatch> {
    if (this.#closing) throw new EspalierError('shutting_down', 'the encoder is shutting down')
    if (options.signal?.aborted) throw cancelled()
    checkModality(inputs, this.info.modality)
    const projection = options.project ? this.#projections.acquire() : null
    try {
      const request = new EncodeRequest(inputs, options, projection, this.info.dimension)
      this.#dispatcher.submit(request)
      return await this.#follow(request, options)
    } finally {
      this.#projections.release(projection)
    }
  }

  async setProjection(projection: Projection | null): Promise<void> {
    await this.#projections.set(projection)
  }

  load() {
    return {
      queuedInputs: this.#dispatcher.queuedInputs,
      queuedTokens: this.#dispatcher.queuedTokens,
      busyWorkers: this.#pool.busy,
      sharedInputs: this.#dispatcher.sharedInputs,
      workerCrashes: this.#pool.crashes,
      stuckWorkers: this.#pool.stuck,
      abandonedWorkers: this.#pool.abandoned,
      lostMs: this.#pool.lostMs,
      cache: this.#cache?.stats() ?? null,
    }
  }

  async openTokenizer() {
    if (this.#tokenizerPath === null) return null
    const { loadTokenizer } = await import('../runtime/text/tokenizer.ts')
    return loadTokenizer(this.#tokenizerPath)
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  /** Called by the pool when a worker can take a job. */
  dispatch(): void {
    this.#dispatcher.dispatch()
  }

  async #drain(): Promise<void> {
    await Promise.allSettled(this.#active)
    await this.#pool.close()
  }

  /** Waits for the answer, the caller's leaving or the deadline, whichever comes first. */
  async #follow(request: EncodeRequest, { signal }: EncodeOptions): Promise<EncodedBatch> {
    const { timeoutMs } = request
    const abort = () => this.#dispatcher.abandon(request, cancelled())
    const expire = () => this.#dispatcher.abandon(request, tooLate(timeoutMs))
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs)
    signal?.addEventListener('abort', abort, { once: true })
    this.#active.add(request.result)
    try {
      return await request.result
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      this.#active.delete(request.result)
    }
  }
}

function describe(
  { manifest, precision, version, workers }: EncoderOptions,
  pool: Pool,
): EncoderInfo {
  const { name, modality, architecture, dimension, pooling, family } = manifest
  const isText = manifest.modality === 'text'
  return {
    name,
    version,
    modality,
    architecture,
    dimension,
    maxTokens: isText ? manifest.maxTokens : manifest.tokens,
    pooling,
    family,
    fingerprint: manifest.graphs[precision]?.fingerprint ?? '',
    precision,
    prompts: isText ? manifest.prompts : {},
    defaultPrompt: isText ? manifest.defaultPrompt : null,
    device: pool.device,
    workers,
  }
}

function cancelled(): EspalierError {
  return new EspalierError('request_cancelled', 'the request was cancelled')
}

function tooLate(timeoutMs: number | undefined): EspalierError {
  const message = `no answer within the ${timeoutMs} ms that were left of what the request allows; allow more, send fewer inputs, or try again when the server is less busy`
  return new EspalierError('deadline_exceeded', message)
}
