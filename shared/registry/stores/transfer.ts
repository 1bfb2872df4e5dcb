import { createHash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import { explainFault, systemCode } from '../../lib/system-errors.ts'
import type { Transferred } from './blob-store.ts'

const CHUNK_BYTES = 1024 * 1024

/** Bytes that are written at once: one buffer, or several in a row. */
export type Piece = Uint8Array | readonly Uint8Array[]

/** Lower-case hex sha256. */
export function hashBytes(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}

/** The file's bytes in chunks; each chunk is valid until the next is asked for. */
export async function* readChunks(
  path: string,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    while (true) {
      signal?.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** Length and sha256 of a local file. */
export async function hashFile(
  path: string,
  signal?: AbortSignal | undefined,
): Promise<Transferred> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of readChunks(path, signal)) {
    hash.update(chunk)
    bytes += chunk.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}

/**
 * Writes pieces into a new file, hashing on the way, and syncs it to disk. On any failure no file is left.
 * @param tooLarge makes the error for a source that goes on after `maxBytes`
 */
export async function writeChunks(
  source: AsyncIterable<Piece> | Iterable<Piece>,
  path: string,
  options: { maxBytes: number; tooLarge: () => Error; signal?: AbortSignal | undefined },
): Promise<Transferred> {
  const file = await ofFile(path, open(path, 'wx'))
  let whole = false
  try {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const piece of source) {
      options.signal?.throwIfAborted()
      const buffers = piece instanceof Uint8Array ? [piece] : piece
      for (const { byteLength } of buffers) bytes += byteLength
      if (bytes > options.maxBytes) throw options.tooLarge()
      // The disk works while this thread hashes.
      const writing = writeAll(file, buffers)
      for (const buffer of buffers) hash.update(buffer)
      await ofFile(path, writing)
    }
    options.signal?.throwIfAborted()
    await ofFile(path, file.sync())
    whole = true
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    await file.close()
    if (!whole) await rm(path, { force: true })
  }
}

/** A fault of the file that is written to, as against those of the store that it comes from. */
export class LocalFileFault extends Error {
  override readonly name = 'LocalFileFault'
  readonly code: string | undefined
  readonly path: string

  constructor(path: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.code = systemCode(cause)
    this.path = path
  }
}

/** The error for a download that ends in such a fault; its cause tells whoever named the file. */
export function downloadError(url: string, key: string, fault: LocalFileFault): EspalierError {
  const message = `cannot download ${key} in ${url} to ${fault.path}: ${explainFault(fault)}`
  return new EspalierError('registry_unavailable', message, { cause: fault })
}

async function ofFile<T>(path: string, action: Promise<T>): Promise<T> {
  return action.catch((cause: unknown) => {
    throw new LocalFileFault(path, cause)
  })
}

async function writeAll(file: FileHandle, buffers: readonly Uint8Array[]): Promise<void> {
  const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const { bytesWritten } = await file.writev(buffers)
  // A disk that fills up takes a part, and says why with the next.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(buffers).subarray(bytesWritten))
}
