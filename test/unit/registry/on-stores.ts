import { describe } from 'vitest'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { describeOnS3 } from '../../s3-server.ts'

/** Runs a suite in memory, and on a real S3 server where there is one; each call of `open` gives an empty store. */
export function describeOnStores(
  title: string,
  define: (open: () => Promise<BlobStore>) => void,
): void {
  describe(title, () => define(async () => openMemoryStore()))
  describeOnS3(`${title}, on S3`, ({ open }) => define(open))
}
