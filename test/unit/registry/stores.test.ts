import { join } from 'node:path'
import { openDirectoryStore } from '../../../shared/registry/store-directory.ts'
import { openMemoryStore } from '../../../shared/registry/store-memory.ts'
import { describeBlobStore } from './blob-store.contract.ts'
import { useScratch } from './scratch.ts'

const scratch = useScratch()

describeBlobStore('memory', { open: async () => openMemoryStore(), refusesFolders: true })
describeBlobStore('directory', {
  open: async () => openDirectoryStore(join(await scratch(), 'registry')),
  refusesFolders: true,
})
