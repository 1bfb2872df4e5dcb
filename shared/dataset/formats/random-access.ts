import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataError } from '../data-error.ts'
import type { DataSource } from '../types.ts'

/** A source of which any part can be read. */
export interface RandomAccess {
  readonly byteLength: number
  /** Bytes from `start` up to `end`, both counted from the beginning. */
  read(start: number, end: number): Promise<ArrayBuffer>
  close(): Promise<void>
}

/**
 * Opens a source for reading anywhere in it. What is no file here (standard input, an object of a bucket) is first
 * copied into a temporary file, which is gone when it is closed.
 * @throws EspalierError `invalid_data` where it cannot be read
 */
export async function openRandomAccess(
  source: DataSource,
  signal?: AbortSignal | undefined,
): Promise<RandomAccess> {
  if (source.path !== undefined) {
    const handle = await open(source.path, 'r').catch((cause: unknown) => {
      throw dataError(source.name, null, 'cannot be read', cause)
    })
    return access(source, handle, () => handle.close())
  }
  const folder = await mkdtemp(join(tmpdir(), 'espalier-rows-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const handle = await open(join(folder, 'rows'), 'wx+')
    try {
      for await (const chunk of source.open(signal)) await handle.writeFile(chunk)
      return await access(source, handle, async () => {
        await handle.close()
        await remove()
      })
    } catch (error) {
      await handle.close()
      throw error
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function access(
  { name }: DataSource,
  handle: FileHandle,
  close: () => Promise<void>,
): Promise<RandomAccess> {
  const { size: byteLength } = await handle.stat()
  return {
    byteLength,
    async read(start, end) {
      const bytes = new ArrayBuffer(Math.max(0, Math.min(end, byteLength) - start))
      for (let at = 0; at < bytes.byteLength; ) {
        const view = new Uint8Array(bytes, at)
        const { bytesRead } = await handle.read(view, 0, view.length, start + at)
        if (bytesRead === 0)
          throw dataError(name, null, 'the file became shorter while it was read')
        at += bytesRead
      }
      return bytes
    },
    close,
  }
}
