import type { DataFormat } from '../dataset/types.ts'
import { openBulkFolder } from './bulk-folder.ts'
import type { BulkPlace } from './bulk-place.ts'

/**
 * Opens `s3://bucket/prefix` or a path.
 * @throws EspalierError `invalid_request` for a URL that is none
 */
export async function openBulkPlace(url: string, format?: DataFormat): Promise<BulkPlace> {
  if (!url.startsWith('s3://')) return openBulkFolder(url, url, format)
  const { openBulkObjects } = await import('./bulk-objects.ts')
  return openBulkObjects(url, format)
}
