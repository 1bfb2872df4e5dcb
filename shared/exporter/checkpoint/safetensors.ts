import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { decodeFourBits, FOUR_BITS, hasFourBits, valuesShape } from './four-bits.ts'
import { type Fail, readExactly, type TensorFile, widenTensor } from './tensor-file.ts'

/** The format's own limit is 100 MB; headers of real encoders are under 100 kB. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024
const LENGTH_BYTES = 8
const FLOAT_BYTES = { F32: 4, F16: 2, BF16: 2 } as const

const tensorSchema = z.object({
  dtype: z.string().max(16),
  shape: z.array(z.int().min(0)).max(8),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
})

/** `dtype` is `q4_0` where the tensor is one of blocks; its shape is then that of its numbers. */
type TensorEntry = z.infer<typeof tensorSchema>

/**
 * Opens and validates a safetensors file: header length, JSON, offsets inside the file, no overlap. Weights of 4 bits
 * are given as the float32 numbers that they stand for.
 * @throws EspalierError `invalid_model_file` naming the file and what is wrong
 */
export async function openSafetensors(path: string): Promise<TensorFile> {
  const fail = (reason: string, cause?: unknown): never => {
    throw new EspalierError('invalid_model_file', `${basename(path)}: ${reason}`, { cause })
  }
  const handle = await open(path, 'r').catch((cause: Error) => fail(cause.message, cause))
  try {
    const { size } = await handle.stat()
    const lengthBytes = await readExactly(handle, 0, LENGTH_BYTES, fail)
    const headerLength = lengthBytes.readBigUInt64LE(0)
    if (headerLength > BigInt(Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES))) {
      fail(`header of ${headerLength} bytes does not fit the file of ${size} bytes`)
    }
    const header = await readExactly(handle, LENGTH_BYTES, Number(headerLength), fail)
    const dataStart = LENGTH_BYTES + Number(headerLength)
    const tensors = parseHeader(header, size - dataStart, fail)
    return openedFile(handle, basename(path), tensors, dataStart, fail)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function openedFile(
  handle: FileHandle,
  file: string,
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fail: Fail,
): TensorFile {
  const find = (name: string) => tensors.get(name) ?? fail(`has no tensor ${name}`)
  const readRaw = ({ data_offsets: [start, end] }: TensorEntry) =>
    readExactly(handle, dataStart + start, end - start, fail)
  return {
    names: [...tensors.keys()],
    shape: (name) => tensors.get(name)?.shape ?? null,
    async read(name) {
      const entry = find(name)
      if (entry.dtype === FOUR_BITS) return decodeFourBits(await readRaw(entry), name, fail)
      const bytes = isFloatType(entry.dtype) ? await readRaw(entry) : new Uint8Array(0)
      return widenTensor(file, name, entry.dtype, bytes)
    },
    describe(name) {
      const { dtype, shape, data_offsets } = find(name)
      if (dtype === FOUR_BITS)
        return { type: 'F32', shape, bytes: FLOAT_BYTES.F32 * countOf(shape) }
      return { type: dtype, shape, bytes: data_offsets[1] - data_offsets[0] }
    },
    async readBytes(name) {
      const entry = find(name)
      const bytes = await readRaw(entry)
      if (entry.dtype !== FOUR_BITS) return bytes
      return new Uint8Array(decodeFourBits(bytes, name, fail).buffer)
    },
    close: () => handle.close(),
  }
}

function parseHeader(header: Buffer, dataBytes: number, fail: Fail): Map<string, TensorEntry> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch (cause) {
    fail('header is not JSON', cause)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return fail('header is not a JSON object')
  }
  const tensors = new Map<string, TensorEntry>()
  const { __metadata__: metadata } = json as { readonly __metadata__?: unknown }
  const isFourBits = hasFourBits(metadata, fail)
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue
    const parsed = tensorSchema.safeParse(value)
    if (!parsed.success) return fail(`header entry ${name.slice(0, 100)} is malformed`)
    checkEntry(name, parsed.data, dataBytes, fail)
    const isBlocks = isFourBits && parsed.data.dtype === 'U8'
    tensors.set(name, isBlocks ? blocksEntry(name, parsed.data, fail) : parsed.data)
  }
  checkOverlap(tensors, fail)
  return tensors
}

function checkEntry(name: string, entry: TensorEntry, dataBytes: number, fail: Fail): void {
  const [start, end] = entry.data_offsets
  if (start > end || end > dataBytes) {
    fail(`tensor ${name} lies at ${start}..${end}, outside the data of ${dataBytes} bytes`)
  }
  if (!isFloatType(entry.dtype)) return
  const bytes = countOf(entry.shape) * FLOAT_BYTES[entry.dtype]
  if (bytes !== end - start) {
    fail(`tensor ${name} [${entry.shape.join(',')}] needs ${bytes} bytes but has ${end - start}`)
  }
}

/** A tensor of blocks by the shape of its numbers. */
function blocksEntry(name: string, entry: TensorEntry, fail: Fail): TensorEntry {
  const [start, end] = entry.data_offsets
  if (countOf(entry.shape) !== end - start) {
    fail(`tensor ${name} [${entry.shape.join(',')}] has ${end - start} bytes`)
  }
  return { ...entry, dtype: FOUR_BITS, shape: valuesShape(name, entry.shape, fail) }
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

function checkOverlap(tensors: ReadonlyMap<string, TensorEntry>, fail: Fail): void {
  const ranges = [...tensors].map(([name, entry]) => ({ name, range: entry.data_offsets }))
  ranges.sort((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1])
  let end = 0
  for (const { name, range } of ranges) {
    if (range[0] < end) fail(`tensor ${name} overlaps another`)
    end = range[1]
  }
}

function isFloatType(dtype: string): dtype is keyof typeof FLOAT_BYTES {
  return Object.hasOwn(FLOAT_BYTES, dtype)
}
