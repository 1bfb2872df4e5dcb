import { readFile, stat } from 'node:fs/promises'
import { dataError, formatBytes } from '../data-error.ts'

/** The values of a .npy file of one or two dimensions: numbers, or texts of a `<U` array. */
export interface NpyValues {
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array | readonly string[]
}

export const MAX_NPY_BYTES = 2 ** 30
const MAGIC = '\x93NUMPY'
const MAX_HEADER_BYTES = 1 << 16

type Read = (view: DataView, at: number) => number
const NUMBERS: Readonly<Record<string, { readonly bytes: number; readonly read: Read }>> = {
  '<f4': { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  '<f8': { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  '|b1': { bytes: 1, read: (view, at) => view.getUint8(at) },
  '|i1': { bytes: 1, read: (view, at) => view.getInt8(at) },
  '|u1': { bytes: 1, read: (view, at) => view.getUint8(at) },
  '<i2': { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  '<u2': { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  '<i4': { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  '<u4': { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  '<i8': { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  '<u8': { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
}

/**
 * Reads any .npy array of features or labels, row-major: little-endian numbers, booleans, texts.
 * @throws EspalierError `invalid_data` for pickled objects, other types and orders, or a damaged file
 */
export async function readNpyValues(path: string): Promise<NpyValues> {
  const info = await stat(path).catch((cause: unknown) => {
    throw dataError(path, null, 'no such file', cause)
  })
  if (info.size > MAX_NPY_BYTES) {
    throw dataError(path, null, `the file is larger than ${formatBytes(MAX_NPY_BYTES)}`)
  }
  return parseNpyValues(path, await readFile(path))
}

/** The same of bytes in memory. */
export function parseNpyValues(name: string, bytes: Buffer): NpyValues {
  const { text, data } = splitHeader(name, bytes)
  const type = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? 'unknown'
  const isFortran = /'fortran_order':\s*True/.test(text)
  const shape = parseShape(name, text)
  const [rows, columns = 1] = shape as [number, number?]
  if (isFortran && shape.length > 1) {
    throw dataError(name, null, 'the array is in Fortran order; save numpy.ascontiguousarray of it')
  }
  const number = NUMBERS[type]
  const letters = /^<U(\d{1,6})$/.exec(type)?.[1]
  if (number === undefined && letters === undefined) {
    throw dataError(name, null, `values of type ${type} are not read; save numbers or texts`)
  }
  const count = rows * columns
  const width = number?.bytes ?? 4 * Number(letters)
  if (data.length !== count * width) {
    const what = `${data.length} bytes where the header promises ${count * width}`
    throw dataError(name, null, what)
  }
  if (number === undefined) return { shape, values: readTexts(data, count, width) }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const values = type === '<f4' ? new Float32Array(count) : new Float64Array(count)
  for (let i = 0; i < count; i++) values[i] = number.read(view, i * width)
  return { shape, values }
}

function splitHeader(name: string, bytes: Buffer): { text: string; data: Buffer } {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== MAGIC) {
    throw dataError(name, null, 'not a .npy file')
  }
  const isFirst = bytes[6] === 1
  const start = isFirst ? 10 : 12
  const end = start + (isFirst ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8))
  if (end > bytes.length || end > MAX_HEADER_BYTES) {
    throw dataError(name, null, 'the .npy header is cut off')
  }
  return { text: bytes.toString('latin1', start, end), data: bytes.subarray(end) }
}

function parseShape(name: string, text: string): readonly number[] {
  const inner = /'shape':\s*\(([\d,\s]{1,40})\)/.exec(text)?.[1]
  const shape = inner?.split(',').filter((part) => part.trim() !== '') ?? []
  if (shape.length === 1 || shape.length === 2) return shape.map(Number)
  throw dataError(name, null, 'an array of one or two dimensions is expected')
}

/** UTF-32, padded with zeros. */
function readTexts(data: Buffer, count: number, width: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    let text = ''
    for (let at = i * width; at < (i + 1) * width; at += 4) {
      const code = data.readUInt32LE(at)
      if (code === 0) break
      text += code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
    }
    return text
  })
}
