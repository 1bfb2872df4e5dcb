import { createHash } from 'node:crypto'
import { open, realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { MAX_IMAGE_BYTES } from '../lib/manifests/image-preprocessing.ts'
import { quote } from '../lib/text/text.ts'
import { dataError, formatBytes } from './data-error.ts'

/** An image that a row names, read when it is needed. */
export interface ImageFile {
  /** As the data name it, below their folder. */
  readonly path: string
  /**
   * The bytes of the file.
   * @throws EspalierError `invalid_data` where it cannot be read, is empty or above the limit
   */
  load(): Promise<Uint8Array>
}

/** An image whose content is known. */
export interface HashedImage extends ImageFile {
  /** sha256 of the file, in hexadecimal. */
  readonly sha256: string
}

/** The images below a folder; nothing outside of it is ever read. */
export interface ImageFolder {
  /** What messages call it. */
  readonly name: string
  /**
   * The image that a line of the data names.
   * @throws EspalierError `invalid_data` where the path leaves the folder
   */
  find(path: string, line: number | null): ImageFile
}

/** The images below `folder`, of at most `maxBytes` each. */
export function openImageFolder(
  name: string,
  folder: string,
  maxBytes: number = MAX_IMAGE_BYTES,
): ImageFolder {
  let root: Promise<string> | undefined
  const load = async (path: string): Promise<Uint8Array> => {
    root ??= realpath(folder)
    const file = await realpath(join(folder, path)).catch((cause: unknown) => {
      throw dataError(path, null, explain(cause), cause)
    })
    if (!file.startsWith(`${await root}${sep}`))
      throw dataError(path, null, `a link that leaves ${name}`)
    return readBounded(path, file, maxBytes)
  }
  return {
    name,
    find(path, line) {
      if (!staysBelow(path)) {
        const fix = 'is not below the folder of the data; only files there are read'
        throw dataError(name, line, `the image ${quote(path)} ${fix}`)
      }
      return { path, load: () => load(path) }
    },
  }
}

/** Reads an image once to learn its content; later readings must find the same. */
export async function hashImage(file: ImageFile): Promise<HashedImage> {
  const sha256 = hashOf(await file.load())
  return {
    path: file.path,
    sha256,
    async load() {
      const bytes = await file.load()
      if (hashOf(bytes) === sha256) return bytes
      throw dataError(file.path, null, 'the file changed while it was in use')
    },
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function readBounded(path: string, file: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(file).catch((cause: unknown) => {
    throw dataError(path, null, explain(cause), cause)
  })
  try {
    const info = await handle.stat()
    if (!info.isFile()) throw dataError(path, null, 'not a file')
    if (info.size === 0) throw dataError(path, null, 'the file is empty')
    if (info.size > maxBytes) {
      throw dataError(path, null, `larger than ${formatBytes(maxBytes)}, the limit of an image`)
    }
    const bytes = await handle.readFile()
    // It may have grown since it was measured.
    if (bytes.length <= maxBytes) return bytes
    throw dataError(path, null, `larger than ${formatBytes(maxBytes)}, the limit of an image`)
  } finally {
    await handle.close()
  }
}

/** True for a relative path that does not climb; where its links lead shows when it is read. */
function staysBelow(path: string): boolean {
  if (path === '' || isAbsolute(path) || path.includes('\0')) return false
  return !path.split(/[\\/]/).includes('..')
}

function explain(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'not readable: permission denied'
  if (code === 'ELOOP') return 'a link that leads nowhere'
  return `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
}
