/** Tries every door to a folder that this process may read and not write; prints code and message of each, as JSON. */
import { join } from 'node:path'
import { openAtomicFile } from '../../../../shared/dataset/atomic-file.ts'
import { writeArtifact } from '../../../../shared/exporter/artifact/artifact-folder.ts'
import { fetchBlob } from '../../../../shared/registry/file-cache.ts'
import { openDirectoryStore } from '../../../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../../../shared/registry/stores/memory/store.ts'
import { hashBytes } from '../../../../shared/registry/stores/transfer.ts'
import { becomeNobody } from '../../../fakes/nobody.ts'

const folder = process.argv[2] as string
const body = Buffer.from('weights')
const sha256 = hashBytes(body)
const source = openMemoryStore()
await source.put(`blobs/sha256/${sha256}`, body)
const file = { path: 'head.bin', sha256, bytes: body.length }
const fill = async () => {}
// Root may write everywhere.
becomeNobody()

await show(() => fetchBlob(source, file, 'head.bin', join(folder, 'cache')))
await show(() => openDirectoryStore(join(folder, 'registry')).put('models/a.json', body))
await show(() => writeArtifact(join(folder, 'encoders', 'a'), 'keep', fill))
await show(() => writeArtifact(join(folder, 'own'), 'refuse', fill))
await show(() => openAtomicFile(join(folder, 'out.jsonl')))

async function show(action: () => Promise<unknown>): Promise<void> {
  const error = await action().catch((cause: unknown) => cause)
  const { code, message } = error as { code?: string; message?: string }
  console.log(JSON.stringify({ code, message }))
}
