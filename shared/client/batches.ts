import { EspalierClientError } from './client-error.ts'
import type { ClientOptions, Input } from './types.ts'

const DEFAULT_BATCH_SIZE = 256
const DEFAULT_BATCH_BYTES = 4 * 1024 * 1024
const DEFAULT_CONCURRENCY = 4

/** Inputs that go in one HTTP request. */
export interface Batch {
  /** Place of the first one in the whole call. */
  readonly from: number
  readonly count: number
  /** The inputs as a JSON list. */
  readonly json: string
}

/** Cuts the inputs of a call into batches, in order; a single input that is larger than a batch goes alone. */
export function cutBatches(
  inputs: Input | readonly Input[],
  { batchSize = DEFAULT_BATCH_SIZE, batchBytes = DEFAULT_BATCH_BYTES }: ClientOptions,
): readonly Batch[] {
  const list: readonly Input[] = isList(inputs) ? inputs : [inputs]
  if (list.length === 0) {
    throw new EspalierClientError('empty_input', 'inputs is an empty list; send at least one', {
      param: 'inputs',
    })
  }
  const encoder = new TextEncoder()
  const batches: Batch[] = []
  let items: string[] = []
  let bytes = 0
  const flush = (end: number) => {
    const json = `[${items.join(',')}]`
    batches.push({ from: end - items.length, count: items.length, json })
    items = []
    bytes = 0
  }
  for (const [index, input] of list.entries()) {
    const item = JSON.stringify(toJson(input, index))
    const size = encoder.encode(item).byteLength + 1
    const isFull = items.length >= Math.max(1, batchSize) || bytes + size > batchBytes
    if (items.length > 0 && isFull) flush(index)
    items.push(item)
    bytes += size
  }
  flush(list.length)
  return batches
}

function isList(inputs: Input | readonly Input[]): inputs is readonly Input[] {
  return Array.isArray(inputs)
}

function toJson(input: Input, index: number): unknown {
  if (typeof input === 'string') return input
  if (input?.image instanceof Uint8Array) return { image: encodeBase64(input.image) }
  if (typeof input?.image === 'string') return input
  const message = `inputs[${index}] is neither a text nor an image`
  throw new EspalierClientError('invalid_request', message, { param: `inputs[${index}]`, index })
}

/**
 * Runs all batches, a few at once, and gives their results in order. The first that fails ends the others, and its
 * error tells which input of the whole call is at fault.
 */
export async function runBatches<T>(
  batches: readonly Batch[],
  { concurrency = DEFAULT_CONCURRENCY }: ClientOptions,
  signal: AbortSignal | undefined,
  run: (batch: Batch, signal: AbortSignal) => Promise<T>,
): Promise<T[]> {
  const results = new Array<T>(batches.length)
  const stop = new AbortController()
  const follow = () => stop.abort(signal?.reason)
  if (signal?.aborted) follow()
  signal?.addEventListener('abort', follow, { once: true })
  let next = 0
  const work = async () => {
    while (next < batches.length) {
      const at = next++
      results[at] = await run(batches[at]!, stop.signal).catch((error) => {
        const placed = stop.signal.aborted ? error : placeError(error, batches[at]!, batches.length)
        stop.abort(placed)
        throw placed
      })
    }
  }
  try {
    const lanes = Math.min(Math.max(1, concurrency), batches.length)
    await Promise.all(Array.from({ length: lanes }, work))
    return results
  } finally {
    signal?.removeEventListener('abort', follow)
  }
}

/** Counts the input at fault within the whole call. */
function placeError(error: unknown, { from, count }: Batch, batches: number): unknown {
  if (!(error instanceof EspalierClientError)) return error
  const within = /\[(\d+)\]$/.exec(error.param ?? '')?.[1]
  const index = within === undefined ? null : from + Number(within)
  const isOneOfMany = index !== null && batches > 1
  const where = isOneOfMany ? ` (in the request with inputs ${from} to ${from + count - 1})` : ''
  const { code, message, status, param, requestId, retryAfterSeconds, cause } = error
  const data = { status, param, index, requestId, retryAfterSeconds, cause }
  return new EspalierClientError(code, `${message}${where}`, data)
}

/** Bytes turned into characters in one call; more would overflow the stack. */
const CHUNK = 0x8000

/** Bytes as base64. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  }
  return btoa(text)
}

/** The numbers of little-endian float32 bytes in base64. */
export function decodeFloats(base64: string): Float32Array {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  const view = new DataView(bytes.buffer)
  const floats = new Float32Array(text.length >> 2)
  for (let at = 0; at < floats.length; at++) floats[at] = view.getFloat32(at * 4, true)
  return floats
}
