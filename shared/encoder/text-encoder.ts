import type { EncoderManifest, Precision } from '../lib/encoder-manifest.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { createFileGate } from '../runtime/file-gate.ts'
import { createPool, type Pool } from '../runtime/pool.ts'
import type { Job, JobMode } from '../runtime/protocol.ts'
import type { Device } from '../runtime/session.ts'
import { Admission, type AdmissionLimits } from './admission.ts'
import { jobBudget } from './plan.ts'
import { ProjectionBook } from './projections.ts'
import { RequestQueue } from './queue.ts'
import { EncodeRequest, type JobPart, type RequestShape } from './request.ts'
import type { EncodedBatch, EncodeOptions, Encoder, EncoderInfo, Projection } from './types.ts'
import { filesToLoad, verifyArtifact } from './verify-artifact.ts'

/** Bounds of an encoder's queue and inputs. */
export interface EncoderLimits extends AdmissionLimits {
  /** Most UTF-8 bytes of one input. */
  readonly maxTextBytes: number
}

/** What a text encoder is made from. */
export interface TextEncoderOptions {
  readonly artifactDir: string
  readonly manifest: EncoderManifest
  readonly precision: Precision
  readonly version: number
  readonly workers: number
  readonly device: Device | 'auto'
  /** The bundled worker, `dist/encoder-worker.cjs`. */
  readonly workerUrl: URL
  readonly limits: EncoderLimits
  readonly log: Logger
  /** Called once the files are verified, while the workers load them. */
  readonly onVerified?: (() => void) | undefined
}

/**
 * Verifies the artifact's files while the workers start, and proves these on the golden texts.
 * @throws EspalierError `artifact_corrupt`, `invalid_model_file`, `self_test_failed`, `invalid_config`
 */
export async function createTextEncoder(options: TextEncoderOptions): Promise<Encoder> {
  const { artifactDir, manifest, precision, device } = options
  const files = filesToLoad(manifest, precision)
  const gate = createFileGate()
  let encoder: PooledTextEncoder | null = null
  const creating = createPool({
    workerUrl: options.workerUrl,
    init: { artifactDir, manifest, precision, device, gate: gate.state },
    workers: options.workers,
    log: options.log,
    onFree: () => encoder?.dispatch(),
  })
  const verifying = verifyArtifact(artifactDir, manifest, files).then(
    () => {
      gate.open()
      options.onVerified?.()
    },
    (error: unknown) => {
      gate.refuse()
      throw error
    },
  )
  const [verified, created] = await Promise.allSettled([verifying, creating])
  if (verified.status === 'rejected') {
    if (created.status === 'fulfilled') await created.value.close()
    throw verified.reason
  }
  if (created.status === 'rejected') throw created.reason
  encoder = new PooledTextEncoder(options, created.value)
  return encoder
}

class PooledTextEncoder implements Encoder {
  readonly info: EncoderInfo
  readonly #pool: Pool
  readonly #shape: RequestShape
  readonly #limits: EncoderLimits
  readonly #admission: Admission
  readonly #projections: ProjectionBook
  readonly #queue = new RequestQueue<EncodeRequest>()
  readonly #active = new Set<Promise<unknown>>()
  #closing: Promise<void> | null = null

  constructor(options: TextEncoderOptions, pool: Pool) {
    const { manifest, limits } = options
    this.info = describe(options, pool)
    this.#pool = pool
    this.#shape = { ...manifest, maxTextBytes: limits.maxTextBytes }
    this.#limits = limits
    this.#admission = new Admission(limits)
    this.#projections = new ProjectionBook(pool, manifest.dimension)
  }

  async encode(inputs: readonly string[], options: EncodeOptions): Promise<EncodedBatch> {
    if (this.#closing) throw new EspalierError('shutting_down', 'the encoder is shutting down')
    if (options.signal?.aborted) throw cancelled()
    const projection = options.project ? this.#projections.acquire() : null
    try {
      const request = new EncodeRequest(inputs, options, projection, this.#shape)
      this.#admission.check(this.#queue.tokens, request.tokens, this.#pool.size)
      if (inputs.length === 0) return request.emptyResult()
      return await this.#submit(request, options.signal)
    } finally {
      this.#projections.release(projection)
    }
  }

  setProjection(projection: Projection | null): Promise<void> {
    return this.#projections.set(projection)
  }

  load() {
    return {
      queuedInputs: this.#queue.inputs,
      queuedTokens: this.#queue.tokens,
      busyWorkers: this.#pool.busy,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  /** Hands jobs to free workers; a batch is planned only then, so that it holds all that has arrived. */
  dispatch(): void {
    const { maxQueueWaitMs } = this.#limits
    const now = performance.now()
    for (const request of this.#queue.removeOlderThan(now - maxQueueWaitMs)) {
      request.fail(this.#admission.overloaded(this.#queue.tokens, this.#pool.size))
    }
    while (this.#queue.inputs > 0 && (this.#pool.free > 0 || this.#pool.size === 0)) {
      const budget = jobBudget(this.#queue.tokens, this.#pool.size)
      void this.#runParts(layOut(this.#queue, budget, now))
    }
  }

  async #drain(): Promise<void> {
    await Promise.allSettled(this.#active)
    await this.#pool.close()
  }

  async #submit(request: EncodeRequest, signal: AbortSignal | undefined): Promise<EncodedBatch> {
    const abort = () => {
      this.#queue.remove(request)
      request.fail(cancelled())
    }
    signal?.addEventListener('abort', abort, { once: true })
    this.#active.add(request.result)
    this.#queue.add(request)
    this.dispatch()
    try {
      return await request.result
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#active.delete(request.result)
    }
  }

  async #runParts(parts: readonly JobPart[]): Promise<void> {
    const started = performance.now()
    try {
      const result = await this.#pool.run(assembleJob(parts))
      const total = result.tokens.reduce((sum, tokens) => sum + tokens, 0)
      this.#admission.finished(total, performance.now() - started)
      for (const part of parts) {
        const own = result.tokens.subarray(part.row, part.row + part.count)
        const tokens = own.reduce((sum, count) => sum + count, 0)
        part.request.deliver(part, result, total > 0 ? tokens / total : 0)
        if (part.request.settled) this.#queue.remove(part.request)
      }
    } catch (error) {
      for (const { request } of parts) {
        this.#queue.remove(request)
        request.fail(error as Error)
      }
    }
  }
}

function describe({ manifest, precision, version }: TextEncoderOptions, pool: Pool): EncoderInfo {
  const { name, modality, dimension, maxTokens, pooling, family, prompts, defaultPrompt } = manifest
  return {
    name,
    version,
    modality,
    dimension,
    maxTokens,
    pooling,
    family,
    fingerprint: manifest.graphs[precision]?.fingerprint ?? '',
    precision,
    prompts,
    defaultPrompt,
    device: pool.device,
    workers: pool.size,
  }
}

/** Takes the next job from the queue and gives each part its rows. */
function layOut(queue: RequestQueue<EncodeRequest>, budget: number, now: number): JobPart[] {
  let row = 0
  return queue.take(budget).map((taken) => {
    const part = { ...taken, row }
    row += taken.count
    taken.request.leftQueue(now)
    return part
  })
}

function assembleJob(parts: readonly JobPart[]): Job {
  const texts: string[] = []
  const modes: JobMode[] = []
  const modeOf: number[] = []
  for (const { request, from, count } of parts) {
    const mode = modes.push(request.mode) - 1
    for (const index of request.order.subarray(from, from + count)) {
      texts.push(request.inputs[index] as string)
      modeOf.push(mode)
    }
  }
  return { texts, modes, modeOf: Uint16Array.from(modeOf) }
}

function cancelled(): EspalierError {
  return new EspalierError('request_cancelled', 'the request was cancelled')
}
