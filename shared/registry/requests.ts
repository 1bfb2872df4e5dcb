import { createHash } from 'node:crypto'
import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import type { Tombstone, VersionManifest } from './records/manifest.ts'
import { MAX_VERSION, requestKey } from './records/names.ts'
import { decodeRecord, encodeRecord } from './records/record.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import { nextNumber, readVersion } from './versions.ts'

const REQUEST_SCHEMA = 1
const MAX_REQUEST_BYTES = 4096
/** Every attempt lost means that another publisher took the number this key was bound to. */
const MAX_ATTEMPTS = 1_000

const requestSchema = z.object({
  schema: z.literal(REQUEST_SCHEMA),
  /** The only number that this key may be published under, until it turns out to be taken. */
  version: z.int().min(1).max(MAX_VERSION),
  /** What was asked for, by default a hash of the kind and files: the same key with other content is a mistake. */
  content: z.string(),
})

export interface BindOptions extends BlobOptions {
  readonly store: BlobStore
  /** What has to be the same under the same key. @default a hash of the kind and files */
  readonly content?: string | undefined
  /** The only number to bind to; the next free one where it is left out. */
  readonly wanted?: number | undefined
}

/**
 * Publishes under an idempotency key: at most one version ever carries it. The key is bound to a number before
 * the manifest is created, and bound anew only once that number belongs to somebody else for good.
 * @throws EspalierError `version_conflict` for a key used for other content, for a version deleted since, or
 * where the wanted number is another version's
 */
export async function bindRequest(
  draft: VersionManifest,
  idempotencyHash: string,
  commit: (version: number) => Promise<VersionManifest | null>,
  { store, wanted, signal, ...options }: BindOptions,
): Promise<{ manifest: VersionManifest; created: boolean }> {
  const { name } = draft
  const key = requestKey(name, idempotencyHash)
  const content = hashText(options.content) ?? hashContent(draft)
  const bind = async () => {
    const version = wanted ?? (await nextNumber(store, name, { signal }))
    return encodeRecord({ schema: REQUEST_SCHEMA, version, content }, MAX_REQUEST_BYTES, key)
  }
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await store.get(key, { maxBytes: MAX_REQUEST_BYTES, signal })
    if (found.status !== 'found') {
      await store.putIfAbsent(key, await bind(), { signal })
      continue
    }
    const source = { url: store.url, key }
    const bound = decodeRecord(requestSchema, REQUEST_SCHEMA, found.body, source)
    const label = formatModelVersion({ name, version: bound.version })
    if (bound.content !== content) {
      throw new EspalierError(
        'version_conflict',
        `this idempotency key belongs to ${label}, which ${options.content === undefined ? 'has other files' : 'was made of other input'}; use a new key`,
      )
    }
    const present = await readVersion(store, name, bound.version, { signal })
    const ours = present !== null && isOurs(present.record, idempotencyHash, draft)
    if (present === null && wanted !== undefined && bound.version !== wanted) {
      // Left by a copy that died before it took that number.
      await store.putIfMatch(key, await bind(), found.etag, { signal })
    } else if (present === null) {
      const manifest = await commit(bound.version)
      if (manifest !== null) return { manifest, created: true }
    } else if (!ours && bound.version === wanted) {
      throw new EspalierError('version_conflict', `${label} is another version in ${store.url}`)
    } else if (!ours) {
      await store.putIfMatch(key, await bind(), found.etag, { signal })
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

function isOurs(
  record: VersionManifest | Tombstone,
  idempotencyHash: string,
  { publication }: VersionManifest,
): boolean {
  return record.idempotencyHash === idempotencyHash || record.publication === publication
}

function hashText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : createHash('sha256').update(text).digest('hex')
}

function hashContent({ kind, files }: VersionManifest): string {
  const lines = files.map(({ path, sha256 }) => `${path}\0${sha256}`).sort()
  return createHash('sha256')
    .update([kind, ...lines].join('\n'))
    .digest('hex')
}
