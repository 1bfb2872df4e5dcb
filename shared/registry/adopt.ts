import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachConcurrently } from '../lib/concurrency.ts'
import { type PublishContext, type PublishRequest, publish } from './publish.ts'
import { isUnreadable, READ_CONCURRENCY } from './scan.ts'
import type { BlobOptions, BlobStore } from './stores/blob-store.ts'
import type { Adoption, AdoptOptions, RegistryReader, RegistryVersion } from './types.ts'
import { listNumbers, readVersion } from './versions.ts'

/**
 * Copies a version of another registry: files, description, time and identity. Files that are there are not
 * sent. The same version is copied once, however often and by however many this is called, also on its way
 * back to where it came from; and one that was deleted does not come back.
 * @throws EspalierError `version_conflict` where its number is to be kept and is another version's
 */
export async function adoptVersion(
  source: RegistryReader,
  version: RegistryVersion,
  { folder, keepVersion, signal }: AdoptOptions,
  context: Omit<PublishContext, 'original' | 'signal'>,
): Promise<Adoption> {
  const { name, publication, createdAt } = version
  const known = await findPublication(context.store, name, publication, { signal })
  if (known !== null) return known
  const { kind, family, fingerprint, description, createdBy, metadata, metrics, lineage } = version
  const request: PublishRequest = {
    name,
    kind,
    family,
    ...(fingerprint !== undefined && { fingerprint }),
    ...(description !== undefined && { description }),
    ...(createdBy !== undefined && { createdBy }),
    metadata,
    ...(metrics !== undefined && { metrics }),
    ...(lineage !== undefined && { lineage }),
    files: version.files.map(({ path, sha256, bytes }) => ({
      path,
      source: {
        known: { sha256, bytes },
        fetch: () => source.fetchFile(version, path, folder, { signal }),
      },
    })),
    // Binds copies that race to one number.
    idempotencyKey: `copy of publication ${publication}`,
  }
  const original = { createdAt, publication, ...(keepVersion && { version: version.version }) }
  try {
    const { manifest, created } = await publish(request, { ...context, original, signal })
    return { status: created ? 'copied' : 'present', version: manifest.version }
  } finally {
    for (const { sha256 } of version.files) {
      await rm(join(folder, 'sha256', sha256), { force: true })
    }
  }
}

/** The version that a publication is in a store, whatever number it has there; null where it has none. */
async function findPublication(
  store: BlobStore,
  name: string,
  publication: string,
  options: BlobOptions,
): Promise<Adoption | null> {
  let found: Adoption | null = null
  const numbers = await listNumbers(store, name, options)
  await forEachConcurrently(numbers, READ_CONCURRENCY, async (number) => {
    const record = await readVersion(store, name, number, options).catch((error: unknown) => {
      // One damaged manifest must not keep all others from being copied.
      if (isUnreadable(error)) return null
      throw error
    })
    if (record?.record.publication !== publication) return
    found = { status: 'deleted' in record.record ? 'deleted' : 'present', version: number }
  })
  return found
}
