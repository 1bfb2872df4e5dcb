import { dataError } from '../dataset/data-error.ts'
import { formatFromName, ROW_EXTENSIONS } from '../dataset/source.ts'
import type { DataFormat } from '../dataset/types.ts'
import type { S3StoreOptions } from '../s3/client.ts'
import type { S3Objects } from '../s3/objects.ts'
import { openBulkFolder } from './folder.ts'
import { type BulkFile, type BulkPlace, MAX_FILES, MAX_TEXT_BYTES } from './place.ts'

/**
 * Opens `s3://bucket/prefix` or a path.
 * @throws EspalierError `invalid_request` for a URL that is none
 */
export async function openBulkPlace(url: string, format?: DataFormat): Promise<BulkPlace> {
  return url.startsWith('s3://') ? openBulkObjects(url, format) : openBulkFolder(url, url, format)
}

/** Opens a prefix on S3, or a single object whose name has the extension of rows. */
export async function openBulkObjects(
  url: string,
  format: DataFormat | undefined,
  options: S3StoreOptions = {},
): Promise<BulkPlace> {
  const { openS3Objects } = await import('../s3/objects.ts')
  const objects = await openS3Objects(url, options)
  const { bucket, prefix } = objects
  const single = prefix.slice(0, -1)
  let isSingle = false
  return {
    url,
    async list(signal) {
      if (single !== '' && hasExtension(single)) {
        const found = await objects.head(single, signal)
        isSingle = found !== null
        if (found !== null) {
          return [{ name: single.slice(single.lastIndexOf('/') + 1), bytes: found.bytes }]
        }
      }
      return listFiles(url, objects, signal)
    },
    open(file) {
      const key = isSingle ? single : prefix + file.name
      const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
      let versionId: string | undefined
      return {
        name: `s3://${bucket}/${key}`,
        format: format ?? formatFromName(file.name),
        repeatable: true,
        open: (signal) =>
          objects.read(key, signal, (id) => {
            versionId = id
          }),
        object: () => ({
          url: `s3://${bucket}/${key}${query}`,
          ...(versionId !== undefined && { versionId }),
        }),
      }
    },
    has: async (name, signal) => (await objects.head(prefix + name, signal)) !== null,
    readText: (name, signal) => readText(objects, prefix + name, signal),
    async createText(name, text, signal) {
      const sink = objects.create(prefix + name, { once: true, signal })
      await sink.write(Buffer.from(text))
      return sink.commit()
    },
    create: async (name, created) => objects.create(prefix + name, created),
    async close() {
      objects.close()
    },
  }
}

function hasExtension(key: string): boolean {
  return ROW_EXTENSIONS.some((extension) => key.toLowerCase().endsWith(extension))
}

async function listFiles(
  url: string,
  { list, prefix }: S3Objects,
  signal: AbortSignal,
): Promise<BulkFile[]> {
  const files: BulkFile[] = []
  for await (const { key, bytes } of list(prefix, signal)) {
    if (key === prefix || key.endsWith('/')) continue
    if (files.length === MAX_FILES) throw dataError(url, null, `more than ${MAX_FILES} files`)
    files.push({ name: key.slice(prefix.length), bytes })
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readText(
  { head, read, bucket }: S3Objects,
  key: string,
  signal: AbortSignal,
): Promise<string | null> {
  const found = await head(key, signal)
  if (found === null) return null
  if (found.bytes > MAX_TEXT_BYTES) {
    throw dataError(`s3://${bucket}/${key}`, null, 'not ours: too large')
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of read(key, signal)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
