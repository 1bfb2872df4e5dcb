import { spawnSync } from 'node:child_process'
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { processTag } from '../../../shared/lib/process-identity.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import type { BlobStore } from '../../../shared/registry/stores/blob-store.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { createAgedStore } from '../../fakes/aged-store.ts'
import { watchStore } from '../../fakes/watched-store.ts'
import { sampleRequest } from './samples.ts'
import { bytesOf, collect, useScratch } from './scratch.ts'

const leftoverScratch = useScratch()
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MONTH = { olderThanMs: 30 * DAY_MS }

/** A registry with one version in use and the blobs of one that was deleted, all of them old. */
async function createOldRegistry() {
  const { store, age } = createAgedStore(openMemoryStore())
  const registry = openRegistry(store)
  await registry.publish(sampleRequest('kept'))
  await registry.publish(sampleRequest('gone'))
  await registry.deleteVersion('intent', 2)
  await age('blobs/', 40 * DAY_MS)
  return { store, age, registry }
}

const blobKeys = async (store: BlobStore) =>
  (await collect(store.list('blobs/'))).map(({ key }) => key)

describe('garbage collection', () => {
  let store: BlobStore
  let registry: Registry
  beforeEach(async () => {
    ;({ store, registry } = await createOldRegistry())
  })

  it('removes old blobs that no version names, after telling which', async () => {
    const old = await createOldRegistry()
    const before = await blobKeys(old.store)
    const planned = await old.registry.collectGarbage({ ...MONTH, dryRun: true })
    expect(planned).toMatchObject({
      dryRun: true,
      found: { blobs: 4, bytes: 46 },
      used: { blobs: 2, bytes: 23 },
      young: { blobs: 0, bytes: 0 },
      garbage: { blobs: 2, bytes: 23 },
    })
    expect(await blobKeys(old.store)).toEqual(before)
    const done = await old.registry.collectGarbage(MONTH)
    expect(done).toEqual({ ...planned, dryRun: false })
    expect(await blobKeys(old.store)).toEqual(
      before.filter((key) => !done.garbage.hashes.some((hash) => key.endsWith(hash))),
    )
    expect(await old.registry.verify()).toMatchObject({ versions: 1, blobs: 2, damages: [] })
    expect(await collect(old.store.list('sweeps/'))).toEqual([])
  })

  it('spares young blobs and refuses an age at which publishers could be hurt', async () => {
    await store.put(`blobs/sha256/${'0'.repeat(64)}`, bytesOf('half a publication'))
    const { young, garbage } = await registry.collectGarbage({ olderThanMs: 2 * HOUR_MS })
    expect([young.blobs, garbage.blobs]).toEqual([1, 2])
    // Published again just now, and deleted: young.
    await registry.publish(sampleRequest('gone', { name: 'topic' }))
    await registry.deleteVersion('topic', 1)
    expect(await registry.collectGarbage(MONTH)).toMatchObject({
      young: { blobs: 3 },
      garbage: { blobs: 0 },
    })
    for (const olderThanMs of [0, HOUR_MS, Number.NaN]) {
      await expect(registry.collectGarbage({ olderThanMs })).rejects.toMatchObject({
        code: 'invalid_data',
        message: expect.stringContaining('2 hours or more'),
      })
    }
  })

  it.each([
    ['newer', '{"schema":9}', 'schema 9'],
    ['damaged', '{"schema":1', 'not JSON'],
  ])('removes nothing while a %s manifest could name it, and says so', async (_, body, why) => {
    await store.put('models/topic/versions/1.json', bytesOf(body))
    const before = await blobKeys(store)
    expect(await registry.collectGarbage(MONTH)).toMatchObject({
      garbage: { blobs: 0 },
      undecided: { blobs: 2 },
      broken: [{ name: 'topic', reason: expect.stringContaining(why) }],
    })
    expect(await blobKeys(store)).toEqual(before)
  })

  it('keeps what a whole record that is not as it should be names, and no more', async () => {
    const old = await blobKeys(store)
    const { garbage } = await registry.collectGarbage({ ...MONTH, dryRun: true })
    const [named, free] = garbage.hashes as [string, string]
    await store.put(
      'models/topic/versions/1.json',
      bytesOf(JSON.stringify({ schema: 1, files: [{ sha: named }] })),
    )
    expect(await registry.collectGarbage(MONTH)).toMatchObject({
      garbage: { hashes: [free] },
      undecided: { blobs: 1 },
    })
    expect(await blobKeys(store)).toEqual(old.filter((key) => !key.endsWith(free)))
  })

  it('removes the records of collections that died', async () => {
    const { store, age, registry } = await createOldRegistry()
    await store.put('sweeps/dead.json', bytesOf('{"schema":1,"blobs":[]}'))
    await age('sweeps/', 2 * DAY_MS)
    await store.put('sweeps/alive.json', bytesOf('{"schema":1,"blobs":[]}'))
    await registry.collectGarbage({ ...MONTH, dryRun: true })
    expect(await collect(store.list('sweeps/'))).toHaveLength(2)
    await registry.collectGarbage(MONTH)
    const left = (await collect(store.list('sweeps/'))).map(({ key }) => key)
    expect(left).toEqual(['sweeps/alive.json'])
  })

  it('removes temporary files of processes that died, and of no others', async () => {
    const folder = await leftoverScratch()
    const here = openDirectoryStore(folder)
    await here.put('a', bytesOf('x'))
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    const tag = processTag()
    const names = [tag.replace(/^[0-9]+/, String(dead)), tag, '1-0123456789abcdef01']
    const [gone, ...rest] = names.map((name) => `${name}-00`)
    for (const name of [gone!, ...rest]) await writeFile(join(folder, '.tmp', name), 'half')
    const old = join(folder, '.tmp', 'old-00')
    await writeFile(old, 'half')
    const hours = Date.now() / 1000 - 2 * 3_600
    await utimes(old, hours, hours)
    expect(await openRegistry(here).collectGarbage({ ...MONTH, dryRun: true })).toMatchObject({
      leftovers: 0,
    })
    expect(await openRegistry(here).collectGarbage(MONTH)).toMatchObject({ leftovers: 2 })
    expect((await readdir(join(folder, '.tmp'))).sort()).toEqual(rest.sort())
  })

  it('leaves what is not a blob alone', async () => {
    await store.put('blobs/sha256/readme', bytesOf('what lies here'))
    await registry.collectGarbage(MONTH)
    expect(await blobKeys(store)).toContain('blobs/sha256/readme')
  })
})

/** Lets others work until they wait for something. */
async function settle(work: Promise<unknown>): Promise<void> {
  let over = false
  const end = () => {
    over = true
  }
  work.then(end, end)
  for (let turns = 0; turns < 50 && !over; turns++) await turn()
}

/** Runs `other` to its end, or until it waits, ahead of the operation number `at` of what is watched. */
function interrupt(store: BlobStore, at: number, other: () => Promise<unknown>) {
  let operations = 0
  let running: Promise<unknown> | null = null
  const watched = watchStore(store, async () => {
    if (operations++ !== at) return
    running = other()
    await settle(running)
  })
  return { watched, ended: () => running, happened: () => running !== null }
}

describe('garbage collection beside others', () => {
  /** Tries every point of the work at which the other can come in between. */
  async function atEveryPoint(
    work: (registry: Registry) => Promise<unknown>,
    other: (registry: Registry) => Promise<unknown>,
    check: (registry: Registry, store: BlobStore) => Promise<void>,
  ): Promise<number> {
    for (let at = 0; ; at++) {
      const { store, registry } = await createOldRegistry()
      const { watched, ended, happened } = interrupt(store, at, () => other(registry))
      await work(openRegistry(watched))
      await ended()
      if (!happened()) return at
      await check(registry, store)
    }
  }

  const collectAll = (registry: Registry) => registry.collectGarbage(MONTH)
  const publishAgain = (registry: Registry) => registry.publish(sampleRequest('gone'))
  const expectWhole = async (registry: Registry, store: BlobStore) => {
    expect(await registry.verify()).toMatchObject({ versions: 2, blobs: 4, damages: [] })
    expect(await collect(store.list('sweeps/'))).toEqual([])
  }

  it('hurts no publication of the same files, whenever in the collection it comes', async () => {
    const points = await atEveryPoint(collectAll, publishAgain, expectWhole)
    expect(points).toBeGreaterThan(10)
  })

  it('hurts no publication of the same files, whenever in the publication it comes', async () => {
    const points = await atEveryPoint(publishAgain, collectAll, expectWhole)
    expect(points).toBeGreaterThan(10)
  })

  it('runs beside another collection', async () => {
    const points = await atEveryPoint(collectAll, collectAll, async (registry, store) => {
      expect(await registry.verify()).toMatchObject({ versions: 1, blobs: 2, damages: [] })
      expect(await blobKeys(store)).toHaveLength(2)
      expect(await collect(store.list('sweeps/'))).toEqual([])
    })
    expect(points).toBeGreaterThan(10)
  })

  it('waits no longer than for a collector that lives', async () => {
    const { store, registry } = await createOldRegistry()
    const dead = { schema: 1, blobs: (await blobKeys(store)).map((key) => key.slice(-64)) }
    await store.put('sweeps/dead.json', bytesOf(JSON.stringify(dead)))
    await store.put('sweeps/damaged.json', bytesOf('{"schema":1,'))
    await store.put('sweeps/other.json', bytesOf('{"schema":1,"blobs":[]}'))
    let now = 0
    const clock = { wallMs: () => Date.now(), monotonicMs: () => (now += 10_000) }
    await openRegistry(store, { clock }).publish(sampleRequest('gone'))
    expect(now).toBeGreaterThan(60_000)
    expect((await collect(store.list('sweeps/'))).map(({ key }) => key)).toEqual([
      'sweeps/other.json',
    ])
    expect((await registry.verify()).damages).toEqual([])
  })

  it('gives up on a store on which there is never time to remove anything', async () => {
    const { store } = await createOldRegistry()
    const before = await blobKeys(store)
    let now = 0
    const clock = { wallMs: () => Date.now(), monotonicMs: () => (now += 30_000) }
    await expect(openRegistry(store, { clock }).collectGarbage(MONTH)).rejects.toMatchObject({
      code: 'registry_unavailable',
    })
    expect(await blobKeys(store)).toEqual(before)
    expect(await collect(store.list('sweeps/'))).toEqual([])
  })
})

describe('garbage collection in a folder', () => {
  const scratch = useScratch()

  it('loses nothing that two collectors and four publishers of the same files leave behind', async () => {
    const folder = await scratch()
    const open = () => openRegistry(openDirectoryStore(folder))
    const blobs = join(folder, 'blobs/sha256')
    let working = 4
    /** Publishes the same few contents again and again, and deletes what it published but the last. */
    const publish = async (publisher: number) => {
      const registry = open()
      let last: number | null = null
      for (let round = 0; round < 6; round++) {
        const content = round % 2 ? `${(publisher + round) % 3}` : `${publisher} ${round}`
        const { version } = await registry.publish(sampleRequest(content))
        if (last !== null) await registry.deleteVersion('intent', last, { graceMs: 365 * DAY_MS })
        last = version.version
      }
      working--
    }
    /** Makes everything look old and collects, until the publishers are done. */
    const sweep = async () => {
      const old = new Date(Date.now() - 40 * DAY_MS)
      let collected = 0
      do {
        for (const name of await readdir(blobs).catch(() => [])) {
          await utimes(join(blobs, name), old, old).catch(() => {})
        }
        collected += (await open().collectGarbage(MONTH)).garbage.blobs
      } while (working > 0)
      return collected
    }
    const [a, b] = await Promise.all([sweep(), sweep(), ...[0, 1, 2, 3].map(publish)])
    // What was left by the last rounds is left to whoever comes next.
    expect(a + b + (await sweep())).toBeGreaterThanOrEqual(4 * 3 * 2)
    const report = await open().verify()
    expect(report.damages).toEqual([])
    expect(report.versions).toBe(4)
  }, 60_000)
})
