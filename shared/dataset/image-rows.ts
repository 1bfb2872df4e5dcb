import { forEachConcurrently } from '../lib/concurrency.ts'
import { EspalierError } from '../lib/errors.ts'
import { print } from '../lib/wording.ts'
import { dataError } from './data-error.ts'
import { type HashedImage, hashImage, type ImageFolder, openImageFolder } from './image-file.ts'
import type { DataRow, DataSource, SkippedFile } from './types.ts'

/** Files read at a time to learn what they hold. */
const READ_AT_ONCE = 8

/** The folder in which the images of a source lie. */
export function openImagesOf(source: DataSource, maxBytes: number | undefined): ImageFolder {
  const { name, folder } = source
  if (folder !== undefined) return openImageFolder(name, folder, maxBytes)
  throw dataError(
    name,
    null,
    'paths of images are relative to the file that names them; pass a file instead of stdin',
  )
}

/** Where a row is, as messages say it: its line, or its file. */
export function placeOf({ place, line }: Pick<DataRow, 'place' | 'line'>): string {
  return place ?? `line ${line}`
}

/**
 * Learns what the images of rows hold, and leaves out those that cannot be read, telling why.
 * @throws EspalierError `invalid_data` where none can be
 */
export async function hashImages<T extends { readonly text: string; readonly line: number }>(
  images: ImageFolder,
  rows: readonly T[],
  onSkip: (file: SkippedFile) => void,
  signal?: AbortSignal | undefined,
): Promise<(T & { readonly image: HashedImage })[]> {
  const found = rows.map((row) => ({
    row,
    file: images.find(row.text, row.line),
    image: null as Found,
  }))
  await forEachConcurrently(found, READ_AT_ONCE, async (each) => {
    signal?.throwIfAborted()
    try {
      each.image = await hashImage(each.file)
    } catch (error) {
      if (!(error instanceof EspalierError)) throw error
      each.image = error
    }
  })
  return found.flatMap(({ row, file, image }) => {
    if (image !== null && !(image instanceof EspalierError)) return [{ ...row, image }]
    const why = image === null ? '' : print(image.wording)
    onSkip({ reason: 'unreadable_images', path: file.path, why })
    return []
  })
}

type Found = HashedImage | EspalierError | null
