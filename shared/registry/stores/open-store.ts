import { EspalierError } from '../../lib/errors.ts'
import type { Renewals } from '../../lib/renewals.ts'
import { quote } from '../../lib/text/text.ts'
import type { BlobStore } from './blob-store.ts'
import { folderOf } from './folder-url.ts'

/**
 * Opens the store that a URL names: `file:./folder` (relative to `cwd`), `file:///folder`, `s3://bucket/prefix` or
 * `memory:`. Each kind is loaded when it is asked for, the AWS SDK with the first on S3.
 * @throws EspalierError `invalid_config` for any other URL
 */
export async function openBlobStore(
  url: string,
  options: { cwd?: string; renewals?: Renewals | undefined } = {},
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
    return openS3Store(url, { renewals: options.renewals })
  }
  throw new EspalierError(
    'invalid_config',
    `registry ${quote(url)}: expected file:./registry, s3://bucket/prefix or memory:`,
  )
}
