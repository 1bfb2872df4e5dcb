import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { dataError } from './data-error.ts'
import type { DataRow, DataSource, SkippedFile } from './types.ts'

/** Columns of the rows that a folder of images gives. */
export const FOLDER_COLUMNS = ['image', 'label'] as const

/** Deeper folders are no data set but somebody's disk. */
const MAX_DEPTH = 16
const MAX_ENTRIES = 5_000_000
const EXTENSIONS: ReadonlySet<string> = new Set(['.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp'])

/**
 * The images below a folder as rows, in the order of their paths: `image`, the path, and `label`, the first
 * folder on it (empty for files that lie in none). Hidden files and links are left out.
 */
export function imageFolderSource(name: string, folder: string): DataSource {
  const source: DataSource = {
    name,
    format: 'folder',
    repeatable: true,
    folder,
    // The rows come from the folder's entries.
    open: async function* () {},
    rows: (options) => walkRows(name, folder, options),
  }
  return source
}

interface Walk {
  readonly signal?: AbortSignal | undefined
  readonly onSkip?: ((file: SkippedFile) => void) | undefined
}

async function* walkRows(name: string, folder: string, walk: Walk): AsyncGenerator<DataRow> {
  let line = 0
  for await (const path of walkFolder(name, folder, '', { ...walk, left: MAX_ENTRIES })) {
    const slash = path.indexOf('/')
    const cells = Object.assign(Object.create(null) as Record<string, unknown>, {
      image: path,
      label: slash < 0 ? '' : path.slice(0, slash),
    })
    line++
    yield { line, place: path, columns: FOLDER_COLUMNS, cells }
  }
}

async function* walkFolder(
  name: string,
  root: string,
  below: string,
  walk: Walk & { left: number },
): AsyncGenerator<string> {
  walk.signal?.throwIfAborted()
  const entries: Dirent[] = []
  for await (const entry of await openFolder(name, root, below)) {
    if (entry.name.startsWith('.')) continue
    if (--walk.left < 0) throw dataError(name, null, `more than ${MAX_ENTRIES} files`)
    entries.push(entry)
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) {
      if (path.split('/').length > MAX_DEPTH) {
        throw dataError(name, null, `${path}: folders nest deeper than ${MAX_DEPTH} levels`)
      }
      yield* walkFolder(name, root, path, walk)
    } else if (!entry.isFile()) {
      walk.onSkip?.({ reason: 'not_images', path, why: 'a link or a device' })
    } else if (EXTENSIONS.has(extname(entry.name).toLowerCase())) yield path
    else walk.onSkip?.({ reason: 'not_images', path, why: 'not named as JPEG, PNG or WebP' })
  }
}

async function openFolder(name: string, root: string, below: string) {
  return opendir(join(root, below)).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw dataError(name, null, `${below || 'the folder'} cannot be read: ${why}`, cause)
  })
}
