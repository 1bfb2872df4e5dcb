import { EspalierError } from '../../lib/errors.ts'

/** Header of a .npy file of the numbers we write. */
export interface NpyHeader {
  readonly rows: number
  readonly dimension: number
  /** Where the numbers start. */
  readonly dataOffset: number
}

/** Long enough for any row count, so that it can be patched in place; a multiple of 64 as the format asks. */
export const NPY_HEADER_BYTES = 128

const MAGIC = Buffer.from('\x93NUMPY', 'latin1')
const PREAMBLE_BYTES = MAGIC.length + 4

/**
 * Header of a .npy file, version 1.0: little-endian float32, C order, shape [rows, dimension].
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function encodeNpyHeader(rows: number, dimension: number): Buffer {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ')
  MAGIC.copy(header)
  header.set([1, 0], MAGIC.length)
  header.writeUInt16LE(NPY_HEADER_BYTES - PREAMBLE_BYTES, MAGIC.length + 2)
  header.write(dictionary, PREAMBLE_BYTES, 'latin1')
  header[NPY_HEADER_BYTES - 1] = 10
  return header
}

/**
 * Reads the header at the start of a .npy file.
 * @throws EspalierError `invalid_data` for anything but float32 [rows, dimension] in C order
 */
export function parseNpyHeader(name: string, bytes: Uint8Array): NpyHeader {
  const fail = (message: string): EspalierError =>
    new EspalierError('invalid_data', `${name}: ${message}`, { param: name })
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < PREAMBLE_BYTES || !buffer.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw fail('not a .npy file')
  }
  const major = buffer[MAGIC.length]!
  if (major !== 1) throw fail(`.npy format ${major} is not read; save as format 1.0`)
  const dataOffset = PREAMBLE_BYTES + buffer.readUInt16LE(MAGIC.length + 2)
  if (dataOffset > buffer.length) throw fail('the .npy header is cut off')
  const text = buffer.toString('latin1', PREAMBLE_BYTES, dataOffset)
  const type = /'descr':\s*'([^']*)'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const shape = /'shape':\s*\(\s*(\d{1,15})\s*,\s*(\d{1,9})\s*,?\s*\)/.exec(text)
  if (type !== '<f4') throw fail(`numbers of type ${type ?? 'unknown'}; float32 (<f4) is expected`)
  if (order !== 'False') throw fail('the array is in Fortran order; C order is expected')
  if (shape === null) throw fail('the array does not have the shape [rows, dimension]')
  return { rows: Number(shape[1]), dimension: Number(shape[2]), dataOffset }
}
