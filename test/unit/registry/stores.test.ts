import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { type FakeS3, startFakeS3 } from '../../fakes/fake-s3.ts'
import { describeOnS3 } from '../../s3-server.ts'
import { describeBlobStore } from './blob-store.contract.ts'
import { useScratch } from './scratch.ts'

const scratch = useScratch()
let fake: FakeS3 | undefined
afterAll(() => fake?.close())

describeBlobStore('memory', { open: async () => openMemoryStore(), refusesFolders: true })
describeBlobStore('directory', {
  open: async () => openDirectoryStore(join(await scratch(), 'registry')),
  refusesFolders: true,
})
// The store's own code, also on machines without an S3 server.
describeBlobStore('S3 store on a fake server', {
  open: async () => {
    fake = await startFakeS3()
    return openS3Store(fake.url('some/prefix'), fake.options)
  },
  refusesFolders: false,
})
describeOnS3('a real S3 server', ({ open }) => {
  describeBlobStore('S3', { open, refusesFolders: false })
})
