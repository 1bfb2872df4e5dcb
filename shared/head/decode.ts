import { EspalierError } from '../lib/errors.ts'
import { type HeadHeader, headHeaderSchema } from '../lib/manifests/head-header.ts'
import { decodeFloat16 } from '../lib/maths/float16.ts'
import {
  alignUp,
  BLOCK_BYTES,
  HEADER_OFFSET,
  MAGIC,
  MAX_MAGNITUDE,
  READING_SCHEMA,
  SCHEMA,
} from './encode.ts'
import type { Head } from './head.ts'

/** Larger files are refused before anything is read: 10,000 labels and a million memories fit. */
const MAX_HEAD_BYTES = 1_073_741_824
const MAX_HEADER_BYTES = 16_777_216

/**
 * Reads what `encodeHead` wrote. Every length is checked against the bytes before it is used, and every
 * number for its size and every index for being in range.
 * @throws EspalierError `artifact_corrupt`, or `unsupported_schema` for a layout of another version
 */
export function decodeHead(bytes: Uint8Array): Head {
  const { header, start } = readHeader(bytes)
  const blocks = new BlockReader(bytes, header, start)
  const { dimension, labels } = header
  const classes = labels.length
  if (new Set(labels).size !== classes) throw corrupt('two labels are equal')
  if (header.activation === 'sigmoid' && header.memory) throw corrupt('a memory needs softmax')
  if (header.reads === 'pooled' && (header.memory || header.detector)) {
    throw corrupt('a memory and a detector need unit vectors')
  }
  const head: Head = {
    family: header.family,
    dimension,
    ...(header.reads && { reads: header.reads }),
    ...(header.reading && { reading: header.reading }),
    labels,
    activation: header.activation,
    weights: blocks.floats('weights', classes * dimension),
    bias: blocks.floats('bias', classes),
    temperature: header.temperature,
    memory: header.memory && readMemory(blocks, header, header.memory),
    adjustment: blocks.has('adjustment') ? blocks.floats('adjustment', classes) : null,
    thresholds: blocks.has('thresholds') ? blocks.floats('thresholds', classes) : null,
    detector: header.detector && readDetector(blocks, dimension, header.detector.threshold),
  }
  blocks.assertAllUsed()
  return head
}

function readHeader(bytes: Uint8Array): { header: HeadHeader; start: number } {
  if (bytes.length > MAX_HEAD_BYTES) throw corrupt(`more than ${MAX_HEAD_BYTES} bytes`)
  if (bytes.length < HEADER_OFFSET) throw corrupt('shorter than its first 12 bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw corrupt('does not begin with ESPH')
  const schema = view.getUint32(4, true)
  if (schema !== SCHEMA && schema !== READING_SCHEMA) {
    throw new EspalierError(
      'unsupported_schema',
      `head file: layout ${schema} is not known here, only ${SCHEMA} and ${READING_SCHEMA}: use a release that knows it`,
    )
  }
  const length = view.getUint32(8, true)
  if (length > MAX_HEADER_BYTES || HEADER_OFFSET + length > bytes.length) {
    throw corrupt(`header of ${length} bytes does not fit`)
  }
  const start = HEADER_OFFSET + length
  let parsed: unknown
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    parsed = JSON.parse(text.decode(bytes.subarray(HEADER_OFFSET, start)))
  } catch (cause) {
    throw corrupt('header is not JSON', cause)
  }
  const result = headHeaderSchema.safeParse(parsed)
  if (!result.success) {
    const issue = result.error.issues[0]!
    throw corrupt(`header field ${issue.path.join('.') || '(root)'}: ${issue.message}`)
  }
  return { header: result.data, start }
}

function readMemory(
  blocks: BlockReader,
  { dimension, labels }: HeadHeader,
  settings: NonNullable<HeadHeader['memory']>,
): NonNullable<Head['memory']> {
  const rows = blocks.length('memory.scales')
  if (rows === 0) throw corrupt('memory has no rows')
  const indices = blocks.integers('memory.labels', rows)
  for (const index of indices) {
    if (index < 0 || index >= labels.length) throw corrupt(`memory label ${index} is out of range`)
  }
  return {
    embeddings: blocks.bytes('memory.embeddings', rows * dimension),
    scales: blocks.floats('memory.scales', rows),
    labels: indices,
    ...settings,
  }
}

function readDetector(
  blocks: BlockReader,
  dimension: number,
  threshold: number,
): NonNullable<Head['detector']> {
  const rank = blocks.length('detector.offset')
  const means = blocks.length('detector.means')
  if (rank === 0 || rank > dimension + 1 || means === 0 || means % rank !== 0) {
    throw corrupt(`detector of rank ${rank} with ${means} mean values`)
  }
  return {
    projection: blocks.floats('detector.projection', rank * dimension),
    offset: blocks.floats('detector.offset', rank),
    means: blocks.floats('detector.means', means),
    background: blocks.floats('detector.background', rank),
    threshold,
  }
}

/** Hands out the number blocks by name; each must be asked for once and have the expected length. */
class BlockReader {
  readonly #bytes: Uint8Array
  readonly #places = new Map<string, { type: string; length: number; offset: number }>()

  constructor(bytes: Uint8Array, header: HeadHeader, start: number) {
    this.#bytes = bytes
    let offset = start
    for (const { name, type, length } of header.blocks) {
      offset = alignUp(offset)
      if (this.#places.has(name)) throw corrupt(`block ${name} occurs twice`)
      this.#places.set(name, { type, length, offset })
      offset += length * BLOCK_BYTES[type]
      if (offset > bytes.length) throw corrupt(`block ${name} ends after the file`)
    }
    if (offset !== bytes.length)
      throw corrupt(`${bytes.length - offset} bytes after the last block`)
  }

  has(name: string): boolean {
    return this.#places.has(name)
  }

  length(name: string): number {
    return this.#places.get(name)?.length ?? 0
  }

  floats(name: string, length: number): Float32Array {
    const isHalf = this.#places.get(name)?.type === 'float16'
    const values = isHalf
      ? decodeFloat16(new Uint16Array(this.#take(name, 'float16', length)))
      : new Float32Array(this.#take(name, 'float32', length))
    for (const value of values) {
      if (!(Math.abs(value) <= MAX_MAGNITUDE))
        throw corrupt(`block ${name} holds the number ${value}`)
    }
    return values
  }

  integers(name: string, length: number): Int32Array {
    return new Int32Array(this.#take(name, 'int32', length))
  }

  bytes(name: string, length: number): Int8Array {
    return new Int8Array(this.#take(name, 'int8', length))
  }

  assertAllUsed(): void {
    for (const name of this.#places.keys()) throw corrupt(`block ${name} does not belong here`)
  }

  /** A copy, so that the head does not keep the whole file alive and is aligned wherever the file lies. */
  #take(name: string, type: keyof typeof BLOCK_BYTES, length: number): ArrayBuffer {
    const place = this.#places.get(name)
    if (!place) throw corrupt(`block ${name} is missing`)
    if (place.type !== type || place.length !== length) {
      throw corrupt(
        `block ${name} is ${place.type}[${place.length}] and should be ${type}[${length}]`,
      )
    }
    this.#places.delete(name)
    const bytes = new ArrayBuffer(length * BLOCK_BYTES[type])
    const from = place.offset
    new Uint8Array(bytes).set(this.#bytes.subarray(from, from + bytes.byteLength))
    return bytes
  }
}

function corrupt(what: string, cause?: unknown): EspalierError {
  return new EspalierError('artifact_corrupt', `head file: ${what}`, { cause })
}
