import { createHash } from 'node:crypto'
import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'
import { formatModelVersion } from '../lib/model-address.ts'
import type { BlobOptions, BlobStore } from './blob-store.ts'
import type { VersionManifest } from './manifest.ts'
import { MAX_VERSION, requestKey } from './names.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { nextNumber, readVersion } from './versions.ts'

const REQUEST_SCHEMA = 1
const MAX_REQUEST_BYTES = 4096
/** Every attempt lost means that another publisher took the number this key was bound to. */
const MAX_ATTEMPTS = 1_000

const requestSchema = z.object({
  schema: z.literal(REQUEST_SCHEMA),
  /** The only number that this key may be published under, until it turns out to be taken. */
  version: z.int().min(1).max(MAX_VERSION),
  /** Hash of the kind and files: the same key with other content is a mistake. */
  content: z.string(),
})

/**
 * Publishes under an idempotency key: at most one version ever carries it. The key is bound to a number before
 * the manifest is created, and bound anew only once that number belongs to somebody else for good.
 * @throws EspalierError `version_conflict` for a key used for other content, or for a version deleted since
 */
export async function bindRequest(
  draft: VersionManifest,
  idempotencyHash: string,
  commit: (version: number) => Promise<VersionManifest | null>,
  { store, signal }: BlobOptions & { store: BlobStore },
): Promise<{ manifest: VersionManifest; created: boolean }> {
  const { name } = draft
  const key = requestKey(name, idempotencyHash)
  const content = hashContent(draft)
  const bindTo = (version: number) =>
    encodeRecord({ schema: REQUEST_SCHEMA, version, content }, MAX_REQUEST_BYTES, key)
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await store.get(key, { maxBytes: MAX_REQUEST_BYTES, signal })
    if (found.status !== 'found') {
      const version = await nextNumber(store, name, { signal })
      await store.putIfAbsent(key, bindTo(version), { signal })
      continue
    }
    const source = { url: store.url, key }
    const bound = decodeRecord(requestSchema, REQUEST_SCHEMA, found.body, source)
    const label = formatModelVersion({ name, version: bound.version })
    if (bound.content !== content) {
      throw new EspalierError(
        'version_conflict',
        `this idempotency key belongs to ${label}, which has other files; use a new key`,
      )
    }
    const present = await readVersion(store, name, bound.version, { signal })
    if (present === null) {
      const manifest = await commit(bound.version)
      if (manifest !== null) return { manifest, created: true }
    } else if (present.record.idempotencyHash !== idempotencyHash) {
      const version = await nextNumber(store, name, { signal })
      await store.putIfMatch(key, bindTo(version), found.etag, { signal })
    } else if ('deleted' in present.record) {
      throw new EspalierError(
        'version_conflict',
        `this idempotency key was used for ${label}, which was deleted; use a new key`,
      )
    } else {
      return { manifest: present.record, created: false }
    }
  }
  throw new EspalierError(
    'version_conflict',
    `${name} got ${MAX_ATTEMPTS} versions while another was to be published; try again`,
  )
}

function hashContent({ kind, files }: VersionManifest): string {
  const lines = files.map(({ path, sha256 }) => `${path}\0${sha256}`).sort()
  return createHash('sha256')
    .update([kind, ...lines].join('\n'))
    .digest('hex')
}
