// work.ts URL CACHE: publishes, promotes and fetches without end, and prints each thing that was acknowledged.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openRegistry } from '../../../../shared/registry/registry.ts'
import { openBlobStore } from '../../../../shared/registry/stores/open-store.ts'

const [url = '', cache = ''] = process.argv.slice(2)
const registry = openRegistry(await openBlobStore(url))
const local = join(cache, `weights-${process.pid}`)

for (let round = 0; ; round++) {
  await writeFile(local, Buffer.alloc(300_000, `${process.pid} ${round} `))
  const { version } = await registry.publish({
    name: 'intent',
    kind: 'classifier',
    family: 'f'.repeat(64),
    metadata: {},
    files: [
      { path: 'head.bin', source: { file: local } },
      { path: 'card.json', source: { bytes: Buffer.from(`{"round":${round}}`) } },
    ],
  })
  console.log(`published ${version.version}`)
  const { revision } = await registry.promote('intent', version.version)
  console.log(`promoted ${revision}`)
  await registry.fetchFiles(version, cache)
}
