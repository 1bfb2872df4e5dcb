import { createHash } from 'node:crypto'
import type { EncodedBatch, Encoder, EncoderInfo, Projection } from '../../shared/encoder/types.ts'
import { measureDistances } from '../../shared/head/columns.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { type EncoderInput, modalityOf } from '../../shared/lib/manifests/encoder-input.ts'
import type { NearestRows } from '../../shared/lib/maths/matrix-kernels.ts'
import { findNeighbours } from './find-neighbours.ts'

/** What a test may choose about the fake. */
export interface FakeEncoderOptions extends Partial<EncoderInfo> {
  /** Awaited inside every `encode`, so that a test can hold requests in flight. */
  readonly gate?: () => Promise<void>
  /** For how long no worker has been there. */
  readonly lostMs?: () => number
  /** Awaited before a new projection is in force. */
  readonly projectionGate?: (projection: Projection | null) => Promise<void>
}

/**
 * A small real encoder: each vector is a hash of the input, the same on every machine, and tokens are
 * words plus two, or `maxTokens` for an image. It truncates, normalises, projects, refuses and closes as the contract says.
 */
export function createFakeEncoder({
  gate,
  projectionGate,
  lostMs = () => 0,
  ...given
}: FakeEncoderOptions = {}): Encoder {
  const info: EncoderInfo = {
    name: 'fake-encoder',
    version: 1,
    modality: 'text',
    dimension: 8,
    maxTokens: 16,
    pooling: 'mean',
    family: 'a'.repeat(64),
    fingerprint: 'f'.repeat(64),
    precision: 'float32',
    prompts: {},
    defaultPrompt: null,
    device: 'cpu',
    workers: 1,
    ...given,
  }
  let current: Projection | null = null
  let busy = 0
  let closed = false

  async function encode(
    ...[inputs, options]: Parameters<Encoder['encode']>
  ): Promise<EncodedBatch> {
    if (closed) throw new EspalierError('shutting_down', 'the encoder is closed')
    // A request keeps the projection that it was accepted with.
    const projection = options.project ? current : null
    const tokens = new Uint32Array(inputs.length)
    const truncated = new Uint8Array(inputs.length)
    const vectors = new Float32Array(inputs.length * info.dimension)
    for (const [i, input] of inputs.entries()) {
      refuseOthers(input, i, info)
      if (typeof input !== 'string') {
        tokens[i] = info.maxTokens
        const vector = hashVector(input, info.dimension, options.normalize)
        vectors.set(vector, i * info.dimension)
        continue
      }
      const words = `${options.prompt ?? ''}${input}`.split(/\s+/).filter(Boolean)
      const kept = info.maxTokens - 2
      if (words.length > kept && options.windows) {
        tokens[i] = words.length + 2
        vectors.set(windowVector(words, kept, info.dimension, options.windows), i * info.dimension)
        continue
      }
      if (words.length > kept) {
        if (!options.truncate) {
          throw new EspalierError(
            'input_too_long',
            `has ${words.length + 2} tokens; the limit is ${info.maxTokens}`,
            { index: i },
          )
        }
        truncated[i] = 1
        if (options.truncationDirection === 'right') words.length = kept
        else words.splice(0, words.length - kept)
      }
      tokens[i] = words.length + 2
      vectors.set(
        hashVector(words.join(' '), info.dimension, options.normalize),
        i * info.dimension,
      )
    }
    busy++
    try {
      if (gate) await within(options.timeoutMs, untilLeft(options.signal, gate()))
      if (options.signal?.aborted) throw new EspalierError('request_cancelled', 'the caller left')
    } finally {
      busy--
    }
    options.onProgress?.(inputs.length)
    return {
      vectors,
      dimension: info.dimension,
      tokens,
      truncated,
      scores: projection && project(vectors, info.dimension, projection),
      projectionId: projection?.id ?? 0,
      neighbours: new Map(
        (options.search ?? []).map((id) => [id, search(vectors, projection, id)] as const),
      ),
      timings: { queueMs: 0, tokenizeMs: 0, runMs: 0 },
    }
  }

  return {
    info,
    encode,
    async setProjection(projection) {
      await projectionGate?.(projection)
      current = projection
    },
    load: () => ({
      queuedInputs: 0,
      queuedTokens: 0,
      busyWorkers: busy,
      sharedInputs: 0,
      workerCrashes: 0,
      stuckWorkers: 0,
      abandonedWorkers: 0,
      lostMs: lostMs(),
      cache: null,
    }),
    async close() {
      closed = true
    },
  }
}

function refuseOthers(input: EncoderInput, index: number, { modality }: EncoderInfo): void {
  if (modalityOf(input) === modality) return
  throw new EspalierError('wrong_modality', `is not for a model of ${modality}s`, { index })
}

/** Scores of shape [rows, columns]. */
function project(vectors: Float32Array, dimension: number, projection: Projection): Float32Array {
  const { weights, bias } = projection
  const width = bias.length
  const rows = vectors.length / dimension
  const products = Float32Array.from({ length: rows * width }, (_, at) => {
    const row = Math.floor(at / width)
    const column = at % width
    let sum = bias[column] as number
    for (let i = 0; i < dimension; i++) {
      sum += (vectors[row * dimension + i] as number) * (weights[column * dimension + i] as number)
    }
    return sum
  })
  return measureDistances(projection, products)
}

function search(vectors: Float32Array, projection: Projection | null, id: number): NearestRows {
  const memory = projection?.memories.find((each) => each.id === id)
  if (!memory) throw new EspalierError('internal', `memory ${id} is not loaded`)
  return findNeighbours(memory, vectors)
}

/** A vector of numbers in [-1, 1) from the bytes of sha256, at unit length if asked. */
function hashVector(input: EncoderInput, dimension: number, normalize: boolean): Float32Array {
  const vector = new Float32Array(dimension)
  for (let start = 0; start < dimension; start += 8) {
    const bytes = createHash('sha256').update(`${start}:`).update(input).digest()
    for (let i = 0; i < 8 && start + i < dimension; i++) {
      vector[start + i] = bytes.readInt32LE(i * 4) / 2 ** 31
    }
  }
  if (!normalize) return vector
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

/** The vectors of windows of so many words put together, at length one. */
function windowVector(
  words: readonly string[],
  size: number,
  dimension: number,
  rule: 'mean' | 'max',
): Float32Array {
  const sum = new Float32Array(dimension).fill(rule === 'mean' ? 0 : -1)
  for (let at = 0; at < words.length; at += size) {
    const part = words.slice(at, at + size)
    const vector = hashVector(part.join(' '), dimension, true)
    for (let d = 0; d < dimension; d++) {
      sum[d] = rule === 'mean' ? sum[d]! + vector[d]! * part.length : Math.max(sum[d]!, vector[d]!)
    }
  }
  const norm = Math.hypot(...sum)
  return sum.map((value) => value / norm)
}

/** Waits no longer than the caller is there. */
async function untilLeft(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  if (signal === undefined) return work
  await Promise.race([
    work,
    new Promise<never>((_, reject) => {
      const leave = () => reject(new EspalierError('request_cancelled', 'the caller left'))
      signal.addEventListener('abort', leave, { once: true })
    }),
  ])
}

/** Waits no longer than the caller does. */
async function within(timeoutMs: number | undefined, work: Promise<void>): Promise<void> {
  if (timeoutMs === undefined) return work
  const late = AbortSignal.timeout(timeoutMs)
  await Promise.race([
    work,
    new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => {
        reject(new EspalierError('deadline_exceeded', `no answer within ${timeoutMs} ms`))
      })
    }),
  ])
}
