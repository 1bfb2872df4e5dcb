import type { DataFormat } from '../dataset/types.ts'
import { openBulkFolder } from './folder.ts'
import type { BulkPlace } from './place.ts'

/**
 * Opens `s3://bucket/prefix` or a path.
 * @throws EspalierError `invalid_request` for a URL that is none
 */
export async function openBulkPlace(url: string, format?: DataFormat): Promise<BulkPlace> {
  if (!url.startsWith('s3://')) return openBulkFolder(url, url, format)
  const { openBulkObjects } = await import('./objects.ts')
  return openBulkObjects(url, format)
}
