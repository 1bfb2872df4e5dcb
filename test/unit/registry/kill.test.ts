import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openBlobStore } from '../../../shared/registry/stores/open-store.ts'
import { openS3Store } from '../../../shared/registry/stores/s3/store.ts'
import { hashFile } from '../../../shared/registry/stores/transfer.ts'
import { describeOnS3 } from '../../s3-server.ts'
import { useScript } from './run-script.ts'
import { collect, useScratch } from './scratch.ts'

describe('kill -9 while publishing, promoting and fetching', () => {
  const scratch = useScratch()
  describeKills(
    async () => `file:${await scratch()}`,
    (url) => openBlobStore(url),
  )
})

describeOnS3(
  'kill -9 while publishing, promoting and fetching, on S3',
  ({ env, options, newUrl }) => {
    beforeAll(() => {
      // The processes that die find their credentials there.
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    })
    afterAll(() => vi.unstubAllEnvs())
    describeKills(
      async () => newUrl(),
      (url) => openS3Store(url, options),
    )
  },
)

function describeKills(
  newUrl: () => Promise<string>,
  open: (url: string) => Promise<BlobStore>,
): void {
  const scratch = useScratch()
  const { start } = useScript('work')

  it('leaves only whole versions, keeps what was acknowledged and lets others go on', async () => {
    const url = await newUrl()
    const cache = await scratch()
    let published = 0
    let revision = 0
    const note = (line: string | null) => {
      const [what, number] = (line ?? '').split(' ')
      if (what === 'published') published = Math.max(published, Number(number))
      if (what === 'promoted') revision = Math.max(revision, Number(number))
    }
    for (let round = 0; round < 4; round++) {
      const scripts = [0, 1].map(() => start(url, cache))
      // Both are at work by now; a random pause puts the kill at any point of it.
      for (const script of scripts) note(await script.nextLine())
      await sleep(Math.random() * 100)
      await Promise.all(scripts.map((script) => script.kill()))
      for (const script of scripts) {
        for (let line = await script.nextLine(); line; line = await script.nextLine()) note(line)
      }
    }

    const store = await open(url)
    const registry = openRegistry(store)
    const versions = await registry.listVersions('intent')
    expect(versions.length).toBeGreaterThanOrEqual(8)
    expect(versions).toEqual(versions.map((_, i) => i + 1))
    expect(versions.at(-1)).toBeGreaterThanOrEqual(published)
    for (const number of versions) {
      const version = await registry.getVersion('intent', number)
      for (const { path, bytes } of version.files) {
        await registry.readFile(version, path, { maxBytes: bytes })
      }
      await registry.fetchFiles(version, cache)
    }
    const reading = await registry.readState('intent')
    if (reading.status !== 'found') throw new Error(reading.status)
    expect(reading.state.revision).toBeGreaterThanOrEqual(revision)
    expect(versions).toContain(reading.state.aliases.champion)

    const files = await readdir(join(cache, 'sha256'))
    for (const name of files) {
      expect((await hashFile(join(cache, 'sha256', name))).sha256).toBe(name)
    }
    // The locks of the dead are in nobody's way, and the index is repaired.
    await registry.promote('intent', 1)
    await registry.rebuildIndex()
    expect(await registry.readIndex()).toMatchObject({
      index: { models: { intent: { latest: versions.length } } },
    })
    const keys = (await collect(store.list(''))).map(({ key }) => key)
    expect(keys.every((key) => /^(blobs|models|index\.json)/.test(key))).toBe(true)
  }, 120_000)
}
