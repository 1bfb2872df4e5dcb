import { open } from 'node:fs/promises'
import { endianness } from 'node:os'
import { type AtomicFile, openAtomicFile } from '../atomic-file.ts'
import { dataError, formatBytes } from '../data-error.ts'
import { encodeNpyHeader, type NpyHeader, parseNpyHeader } from './npy.ts'
import type { VectorWriter } from './vector-writer.ts'

/** The longest header of format 1.0. */
const MAX_HEADER_BYTES = 10 + 65535
const READ_BYTES = 1 << 20
const MAX_ARRAY_BYTES = 2 ** 32

/**
 * Writes float32 vectors into a .npy file. Its header is patched in at the end, when the row count is known;
 * the first vector says how long all are.
 * @throws EspalierError `invalid_data` where the file cannot be written
 */
export async function openNpyWriter(path: string): Promise<VectorWriter> {
  return createNpyWriter(await openAtomicFile(path))
}

/** The same into any file whose beginning can be written over. */
export async function createNpyWriter(
  file: Pick<AtomicFile, 'write' | 'patch' | 'commit' | 'discard'>,
): Promise<VectorWriter> {
  let rows = 0
  let dimension: number | null = null
  try {
    await file.write(encodeNpyHeader(0, 0))
  } catch (error) {
    await file.discard()
    throw error
  }
  return {
    async write(batch) {
      for (const { vector } of batch) {
        dimension ??= vector.length
        if (vector.length !== dimension) {
          throw new RangeError(`a vector of ${vector.length} numbers, not ${dimension}`)
        }
      }
      rows += batch.length
      await file.write(joinVectors(batch.map(({ vector }) => vector)))
    },
    async commit() {
      await file.patch(encodeNpyHeader(rows, dimension ?? 0), 0)
      await file.commit()
    },
    discard: () => file.discard(),
  }
}

/** A whole .npy file in memory. */
export interface NpyArray {
  readonly rows: number
  readonly dimension: number
  /** Shape [rows, dimension], row-major. */
  readonly data: Float32Array
}

/**
 * Reads a .npy file of float32 [rows, dimension].
 * @throws EspalierError `invalid_data` where it is something else, cut off, or above `maxBytes`
 */
export async function readNpy(path: string, maxBytes: number = MAX_ARRAY_BYTES): Promise<NpyArray> {
  const handle = await open(path).catch((cause: unknown) => {
    throw dataError(path, null, 'cannot be opened', cause)
  })
  try {
    const { size } = await handle.stat()
    const head = Buffer.alloc(Math.min(size, MAX_HEADER_BYTES))
    await handle.read(head, 0, head.length, 0)
    const header = parseNpyHeader(path, head)
    const bytes = checkSize(path, header, size, maxBytes)
    const buffer = Buffer.from(new ArrayBuffer(bytes))
    for (let at = 0; at < bytes; ) {
      const length = Math.min(READ_BYTES, bytes - at)
      const { bytesRead } = await handle.read(buffer, at, length, header.dataOffset + at)
      if (bytesRead === 0) throw dataError(path, null, 'the file was cut while it was read')
      at += bytesRead
    }
    if (endianness() === 'BE') buffer.swap32()
    const data = new Float32Array(buffer.buffer, 0, bytes / 4)
    return { rows: header.rows, dimension: header.dimension, data }
  } finally {
    await handle.close()
  }
}

function checkSize(path: string, header: NpyHeader, size: number, maxBytes: number): number {
  const bytes = header.rows * header.dimension * 4
  if (bytes > maxBytes) {
    throw dataError(path, null, `the array is larger than ${formatBytes(maxBytes)}`)
  }
  if (header.dataOffset + bytes !== size) {
    const expected = header.dataOffset + bytes
    throw dataError(path, null, `${size} bytes where its header promises ${expected}`)
  }
  return bytes
}

/** The bytes of vectors in their order; rows that lie one after the other in memory are not copied. */
function joinVectors(vectors: readonly Float32Array[]): Uint8Array {
  const [first] = vectors
  if (first === undefined) return new Uint8Array(0)
  const { buffer, byteOffset, byteLength } = first
  const isOneBlock = vectors.every(
    (vector, row) =>
      vector.buffer === buffer && vector.byteOffset === byteOffset + row * byteLength,
  )
  if (!isOneBlock) return Buffer.concat(vectors.map(toLittleEndian))
  return toLittleEndian(new Float32Array(buffer, byteOffset, vectors.length * first.length))
}

function toLittleEndian(vector: Float32Array): Buffer {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return endianness() === 'BE' ? Buffer.from(bytes).swap32() : bytes
}
