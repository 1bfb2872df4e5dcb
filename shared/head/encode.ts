import { EspalierError } from '../lib/errors.ts'
import { encodeFloat16 } from '../lib/maths/float16.ts'
import type { Head } from './head.ts'

/** "ESPH", read as a little-endian integer. */
export const MAGIC = 0x48505345

/** Version of the layout. */
export const SCHEMA = 1
/**
 * That of heads which say how long texts are read. A release that does not know it refuses them, and would answer
 * otherwise than they were trained; all others stay as they were to the byte.
 */
export const READING_SCHEMA = 2

/** Magic, schema and header length come first. */
export const HEADER_OFFSET = 12

/** Beyond all that training makes; the square of a score stays finite, so no head spoils another's product. */
export const MAX_MAGNITUDE = 1e9

/** Blocks start at multiples of this many bytes, so that they can be viewed in place. */
const BLOCK_ALIGNMENT = 64

export type BlockType = 'float32' | 'float16' | 'int32' | 'int8'

/** Bytes of one element. */
export const BLOCK_BYTES: Readonly<Record<BlockType, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int8: 1,
}

interface Block {
  readonly name: string
  readonly type: BlockType
  readonly data: Float32Array | Uint16Array | Int32Array | Int8Array
}

/**
 * Writes a head: magic, schema and header length (little-endian), a JSON header, then aligned blocks of
 * numbers in the order of the header. The same head gives the same bytes.
 * @param weights `float16` stores half as many bytes, for weights that were rounded to it before
 * @throws EspalierError `invalid_data` for a head with a number that no reader would take
 */
export function encodeHead(
  head: Head,
  { weights = 'float32' }: { readonly weights?: 'float32' | 'float16' } = {},
): Uint8Array {
  const { memory, detector } = head
  const unusable = findUnusable(head)
  if (unusable !== null) {
    const message = `the head cannot be used: ${unusable}; look for rows that are equal, or out of all proportion`
    throw new EspalierError('invalid_data', message)
  }
  const blocks: Block[] = []
  const add = (name: string, type: BlockType, data: Block['data'] | null | undefined): void => {
    if (data) blocks.push({ name, type, data })
  }
  if (weights === 'float32') add('weights', weights, head.weights)
  else add('weights', weights, encodeFloat16(head.weights))
  add('bias', 'float32', head.bias)
  add('adjustment', 'float32', head.adjustment)
  add('thresholds', 'float32', head.thresholds)
  add('memory.embeddings', 'int8', memory?.embeddings)
  add('memory.scales', 'float32', memory?.scales)
  add('memory.labels', 'int32', memory?.labels)
  add('detector.projection', 'float32', detector?.projection)
  add('detector.offset', 'float32', detector?.offset)
  add('detector.means', 'float32', detector?.means)
  add('detector.background', 'float32', detector?.background)
  const header = new TextEncoder().encode(
    JSON.stringify({
      family: head.family,
      dimension: head.dimension,
      ...(head.reads && { reads: head.reads }),
      ...(head.reading && { reading: head.reading }),
      labels: head.labels,
      activation: head.activation,
      temperature: head.temperature,
      memory: memory && { k: memory.k, temperature: memory.temperature, weight: memory.weight },
      detector: detector && { threshold: detector.threshold },
      blocks: blocks.map(({ name, type, data }) => ({ name, type, length: data.length })),
    }),
  )
  let size = HEADER_OFFSET + header.length
  for (const { data } of blocks) size = alignUp(size) + data.byteLength
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, head.reading ? READING_SCHEMA : SCHEMA, true)
  view.setUint32(8, header.length, true)
  bytes.set(header, HEADER_OFFSET)
  let offset = HEADER_OFFSET + header.length
  for (const { data } of blocks) {
    offset = alignUp(offset)
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
    offset += data.byteLength
  }
  return bytes
}

/** A number of a head that is not finite, or too large, as `its weights hold the number Infinity`; null for a sound one. */
export function findUnusable(head: Head): string | null {
  const { memory, detector } = head
  const floats: [string, Float32Array | null | undefined][] = [
    ['weights', head.weights],
    ['bias', head.bias],
    ['adjustment', head.adjustment],
    ['thresholds', head.thresholds],
    ['memory', memory?.scales],
    ['detector', detector?.projection],
    ['detector', detector?.offset],
    ['detector', detector?.means],
    ['detector', detector?.background],
  ]
  for (const [name, values] of floats) {
    const value = values?.find((each) => !(Math.abs(each) <= MAX_MAGNITUDE))
    if (value !== undefined) return `its ${name} holds the number ${value}`
  }
  const settings: [string, number | undefined][] = [
    ['temperature', head.temperature],
    ['temperature of the votes', memory?.temperature],
    ['threshold of the detector', detector?.threshold],
  ]
  const odd = settings.find(([, value]) => value !== undefined && !Number.isFinite(value))
  return odd === undefined ? null : `its ${odd[0]} is ${odd[1]}`
}

/** The next offset at which a block may start. */
export function alignUp(offset: number): number {
  return Math.ceil(offset / BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
}
