import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EspalierError, isEspalierError } from '../../lib/errors.ts'
import type { RestoreHooks } from '../../lib/restore-hooks.ts'
import { quote } from '../../lib/text/text.ts'
import { MODELS_PREFIX } from '../records/names.ts'
import type { BlobStore } from './blob-store.ts'

/**
 * Opens the store that a URL names: `file:./folder` (relative to `cwd`), `file:///folder`, `s3://bucket/prefix` or
 * `memory:`. Each kind is loaded when it is asked for, the AWS SDK with the first on S3.
 * @throws EspalierError `invalid_config` for any other URL
 */
export async function openBlobStore(
  url: string,
  options: {
    cwd?: string
    restoreHooks?: RestoreHooks | undefined
    verdictFolder?: string | undefined
  } = {},
): Promise<BlobStore> {
  if (url === 'memory:') {
    const { openMemoryStore } = await import('./memory/store.ts')
    return openMemoryStore()
  }
  if (url.startsWith('file:') && url.length > 'file:'.length) {
    const { openDirectoryStore } = await import('./directory/store.ts')
    return openDirectoryStore(folderOf(url, options.cwd), url)
  }
  if (url.startsWith('s3://')) {
    const { openS3Store } = await import('./s3/store.ts')
    const { restoreHooks, verdictFolder } = options
    return openS3Store(url, { restoreHooks, verdictFolder })
  }
  throw new EspalierError(
    'invalid_config',
    `registry ${quote(url)}: expected file:./registry, s3://bucket/prefix or memory:`,
  )
}

/**
 * The folder of a `file:` URL.
 * @throws EspalierError `invalid_config`
 */
export function folderOf(url: string, cwd = process.cwd()): string {
  if (!url.startsWith('file://')) return resolve(cwd, url.slice('file:'.length))
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw new EspalierError(
      'invalid_config',
      `registry ${quote(url)}: a file URL has three slashes and an absolute path; for a relative one write file:./registry`,
      { cause: error },
    )
  }
}

/**
 * False only where a glance at the registry's folder tells that it has no model of the name.
 * @param address `name`, `name@alias` or `name@v7`
 * @throws EspalierError `invalid_config` for a URL of no folder
 */
export function mayHaveModel(url: string, address: string): boolean {
  const name = address.replace(/@.*/s, '').toLowerCase()
  if (!url.startsWith('file:')) return true
  try {
    const path = join(folderOf(url), MODELS_PREFIX, name)
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    // A folder that cannot be looked into may have anything.
    if (isEspalierError(error, 'invalid_config')) throw error
    return true
  }
}
