import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { openAtomicFile } from '../../dataset/atomic-file.ts'

/** `ESEG`, then format 1, dimension and rows as little-endian uint32; then keys, checksums and vectors. */
const MAGIC = 0x47455345
const FORMAT = 1
const HEADER_BYTES = 16
/** sha256. */
export const KEY_BYTES = 32
const CHECKSUM_BYTES = 4
/** Most rows of one segment: a damaged header cannot ask for more memory than this means. */
export const SEGMENT_ROWS = 4096
/** Vectors read in one go, in rows. */
const READ_ROWS = 256

/** Vectors under their keys, each as its 32 bytes in latin1. */
export interface SegmentRows {
  readonly keys: readonly string[]
  /** Shape [keys, dimension]. */
  readonly vectors: Float32Array
}

/** Writes a segment that appears whole or not at all; checksums tell if the disk kept it. */
export async function writeSegment(
  path: string,
  dimension: number,
  { keys, vectors }: SegmentRows,
): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(MAGIC, 0)
  header.writeUInt32LE(FORMAT, 4)
  header.writeUInt32LE(dimension, 8)
  header.writeUInt32LE(keys.length, 12)
  const keyBlock = Buffer.from(keys.join(''), 'latin1')
  const checksums = Buffer.alloc(keys.length * CHECKSUM_BYTES)
  const values = Buffer.from(vectors.buffer, vectors.byteOffset, vectors.byteLength)
  const rowBytes = dimension * Float32Array.BYTES_PER_ELEMENT
  for (let row = 0; row < keys.length; row++) {
    const sum = rowChecksum(keyBlock, values.subarray(row * rowBytes), row, rowBytes)
    checksums.writeUInt32LE(sum, row * CHECKSUM_BYTES)
  }
  const file = await openAtomicFile(path)
  try {
    for (const part of [header, keyBlock, checksums, values]) await file.write(part)
    await file.commit()
  } finally {
    await file.discard()
  }
}

/**
 * Hands the vectors of wanted keys to `take`, skipping rows whose checksum is wrong. Returns the number of
 * rows handed over, or null where the file is no whole segment of this dimension.
 */
export async function readSegment(
  path: string,
  dimension: number,
  isWanted: (key: string) => boolean,
  take: (key: string, vector: Float32Array) => void,
): Promise<number | null> {
  const file = await open(path, 'r')
  try {
    const read = async (position: number, length: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, position)
      return bytes.subarray(0, bytesRead)
    }
    const header = await read(0, HEADER_BYTES)
    const rowBytes = dimension * Float32Array.BYTES_PER_ELEMENT
    const rows = countRows(header, dimension)
    const vectorsAt = HEADER_BYTES + rows * (KEY_BYTES + CHECKSUM_BYTES)
    if (rows === 0 || (await file.stat()).size !== vectorsAt + rows * rowBytes) return null
    const keyBlock = await read(HEADER_BYTES, rows * KEY_BYTES)
    const checksums = await read(HEADER_BYTES + rows * KEY_BYTES, rows * CHECKSUM_BYTES)
    const keyOf = (row: number) =>
      keyBlock.toString('latin1', row * KEY_BYTES, (row + 1) * KEY_BYTES)
    let taken = 0
    for (let start = 0; start < rows; start += READ_ROWS) {
      const count = Math.min(READ_ROWS, rows - start)
      const wanted = Array.from({ length: count }, (_, i) => start + i).filter((row) =>
        isWanted(keyOf(row)),
      )
      if (wanted.length === 0) continue
      const block = await read(vectorsAt + start * rowBytes, count * rowBytes)
      if (block.length < count * rowBytes) return null
      for (const row of wanted) {
        const values = block.subarray((row - start) * rowBytes, (row - start + 1) * rowBytes)
        const expected = checksums.readUInt32LE(row * CHECKSUM_BYTES)
        if (rowChecksum(keyBlock, values, row, rowBytes) !== expected) continue
        // Copied, which also aligns it.
        take(keyOf(row), new Float32Array(Uint8Array.from(values).buffer))
        taken++
      }
    }
    return taken
  } finally {
    await file.close()
  }
}

/** Rows that a header announces, 0 where it is no header of ours. */
function countRows(header: Buffer, dimension: number): number {
  if (header.length < HEADER_BYTES || header.readUInt32LE(0) !== MAGIC) return 0
  if (header.readUInt32LE(4) !== FORMAT || header.readUInt32LE(8) !== dimension) return 0
  const rows = header.readUInt32LE(12)
  return rows <= SEGMENT_ROWS ? rows : 0
}

/** Over the key and the vector, so that neither can be damaged unseen. */
function rowChecksum(keys: Buffer, values: Buffer, row: number, rowBytes: number): number {
  const key = keys.subarray(row * KEY_BYTES, (row + 1) * KEY_BYTES)
  return crc32(values.subarray(0, rowBytes), crc32(key))
}
