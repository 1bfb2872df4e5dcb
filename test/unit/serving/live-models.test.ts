import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeHead } from '../../../shared/head/encode.ts'
import { headBytes } from '../../../shared/head/head.ts'
import { systemClock } from '../../../shared/lib/clock.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { layerRegistry } from '../../../shared/registry/layered.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry, RegistryReader } from '../../../shared/registry/types.ts'
import type { LiveModels } from '../../../shared/serving/classifiers.ts'
import {
  createLiveModels,
  type LiveModelsOptions,
} from '../../../shared/serving/live/live-models.ts'
import { createMemoryLogger } from '../../fakes/api-deps.ts'
import { createFakeEncoder } from '../../fakes/fake-encoder.ts'
import { createFixedSupply } from '../../fakes/fixed-supply.ts'
import { createTestHead, createTestRegistry, publishHead } from '../../fakes/heads.ts'

const HOUR_MS = 3_600_000
let registry: Registry
let live: LiveModels
let log: ReturnType<typeof createMemoryLogger>

beforeEach(() => {
  registry = createTestRegistry()
  log = createMemoryLogger()
})

afterEach(() => live.close())

function open(options: Partial<LiveModelsOptions> = {}): LiveModels {
  live = createLiveModels({
    supply: createFixedSupply(createFakeEncoder()),
    registry,
    follow: 'request',
    pollMs: HOUR_MS,
    headsBytes: 1 << 20,
    waitMs: 5_000,
    clock: systemClock,
    log,
    ...options,
  })
  return live
}

/** The versions that addresses mean, as `name@v1:first label`. */
async function ask(...addresses: string[]): Promise<string[]> {
  const lease = await live.acquire(addresses)
  lease.release()
  return lease.heads.map(({ name, version, head }) => `${name}@v${version}:${head.labels[0]}`)
}

/** A registry of which all methods, or one, fail as those of an unreachable store do while `away()` is true. */
function withOutages(
  inner: Registry,
  away: () => boolean,
  only?: keyof RegistryReader,
): RegistryReader {
  return new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return async (...given: unknown[]) => {
        if (away() && (only ?? key) === key)
          throw new EspalierError('registry_unavailable', 'the store does not answer')
        return Reflect.apply(value, target, given)
      }
    },
  })
}

describe('following the registry', () => {
  it('moves to a promoted version, and back, without a restart', async () => {
    await publishHead(registry, 'intent', createTestHead('first'))
    open()
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await publishHead(registry, 'intent', createTestHead('second'))
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await live.refresh()
    expect(await ask('intent', 'intent@v1')).toEqual(['intent@v2:second0', 'intent@v1:first0'])
    await registry.rollback('intent')
    await live.refresh()
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
  })

  it('follows a registry in a folder, changed through another opening of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'live-models-'))
    try {
      const theirs = openRegistry(openDirectoryStore(folder))
      open({ registry: openRegistry(openDirectoryStore(folder)) })
      await expect(ask('intent')).rejects.toMatchObject({ code: 'model_not_found' })
      await publishHead(theirs, 'intent', createTestHead('first'))
      await live.refresh()
      expect(await ask('intent')).toEqual(['intent@v1:first0'])
      await publishHead(theirs, 'intent', createTestHead('second'))
      await live.refresh()
      expect(await ask('intent')).toEqual(['intent@v2:second0'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('polls by itself, and stops when closed', async () => {
    vi.useFakeTimers()
    try {
      await publishHead(registry, 'intent', createTestHead('first'))
      open({ follow: 'timer', pollMs: 2_000 })
      expect(await ask('intent')).toEqual(['intent@v1:first0'])
      await publishHead(registry, 'intent', createTestHead('second'))
      await vi.advanceTimersByTimeAsync(2_500)
      expect(await ask('intent')).toEqual(['intent@v2:second0'])
      await live.close()
      await publishHead(registry, 'intent', createTestHead('third'))
      await vi.advanceTimersByTimeAsync(60_000)
      expect(await ask('intent')).toEqual(['intent@v2:second0'])
    } finally {
      vi.useRealTimers()
    }
  })

  it('looks again on request where timers stop, once the last look is old', async () => {
    let now = 0
    const clock = { wallMs: () => now, monotonicMs: () => now }
    await publishHead(registry, 'intent', createTestHead('first'))
    open({ clock, pollMs: 2_000 })
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await publishHead(registry, 'intent', createTestHead('second'))
    now += 1_000
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    now += 2_000
    expect(await ask('intent')).toEqual(['intent@v2:second0'])
  })

  it('looks again for what it does not know yet', async () => {
    let now = 0
    const clock = { wallMs: () => now, monotonicMs: () => now }
    open({ clock })
    await expect(ask('intent')).rejects.toMatchObject({ code: 'model_not_found' })
    await publishHead(registry, 'intent', createTestHead('first'))
    now += 1_000
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await publishHead(registry, 'intent', createTestHead('second'), { alias: 'challenger' })
    now += 1_000
    expect(await ask('intent@challenger')).toEqual(['intent@v2:second0'])
  })

  it("lets a user's model take the place of a built-in one with the same numbers", async () => {
    const builtin = openRegistry(openMemoryStore(), { origin: 'builtin' })
    await publishHead(builtin, 'intent', createTestHead('shipped'))
    await publishHead(builtin, 'other', createTestHead('other'))
    open({ registry: layerRegistry(registry, builtin) })
    expect(await ask('intent')).toEqual(['intent@v1:shipped0'])
    await expect(live.acquire(null)).rejects.toMatchObject({ code: 'invalid_request' })
    await publishHead(registry, 'intent', createTestHead('own'))
    await live.refresh()
    expect(await ask('intent')).toEqual(['intent@v1:own0'])
    const only = await live.acquire(null)
    only.release()
    expect(only.heads[0]!.name).toBe('intent')
  })
})

describe('what is new is ready before it answers', () => {
  it('keeps the old version until every worker has the new one', async () => {
    const [reached, pass] = [withResolvers(), withResolvers()]
    let changes = 0
    const projectionGate = async () => {
      if (changes++ === 0) return
      reached.resolve()
      await pass.promise
    }
    await publishHead(registry, 'intent', createTestHead('first'))
    open({ supply: createFixedSupply(createFakeEncoder({ projectionGate })) })
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await publishHead(registry, 'intent', createTestHead('second'))
    const refreshed = live.refresh()
    await reached.promise
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    pass.resolve()
    await refreshed
    expect(await ask('intent')).toEqual(['intent@v2:second0'])
  })

  const bad: [string, Parameters<typeof publishHead>[2], Uint8Array | undefined, RegExp][] = [
    [
      'cut short',
      createTestHead('bad'),
      encodeHead(createTestHead('bad')).slice(0, -9),
      /v2.*|head file/,
    ],
    [
      'of another family',
      createTestHead('bad', { family: 'b'.repeat(64) }),
      undefined,
      /b{64}.*a{64}/,
    ],
    ['of another dimension', createTestHead('bad', { dimension: 4 }), undefined, /4 numbers/],
  ]
  it.each(bad)(
    'refuses a version %s, once in the log, and serves on',
    async (_what, head, bytes, reason) => {
      await publishHead(registry, 'intent', createTestHead('first'))
      open()
      expect(await ask('intent')).toEqual(['intent@v1:first0'])
      await publishHead(registry, 'intent', head, bytes ? { bytes } : {})
      for (let i = 0; i < 3; i++) await live.refresh()
      expect(await ask('intent')).toEqual(['intent@v1:first0'])
      expect(live.stats().refused).toBe(1)
      const errors = log.lines.filter(({ level }) => level === 'error')
      expect(errors).toHaveLength(1)
      expect(errors[0]!.fields).toMatchObject({
        model: 'intent@v2',
        reason: expect.stringMatching(reason),
      })
      await expect(ask('intent@v2')).rejects.toBeInstanceOf(EspalierError)
      await publishHead(registry, 'intent', createTestHead('third'))
      await live.refresh()
      expect(await ask('intent')).toEqual(['intent@v3:third0'])
    },
  )

  it('names both families of a head that was made for another encoder', async () => {
    await publishHead(registry, 'intent', createTestHead('bad', { family: 'b'.repeat(64) }))
    open()
    await expect(ask('intent')).rejects.toMatchObject({
      code: 'family_mismatch',
      param: 'model',
      message: expect.stringMatching(/intent@v1.*b{64}.*fake-encoder.*a{64}/),
    })
  })

  it('moves one alias though the other points at a bad version', async () => {
    await publishHead(registry, 'intent', createTestHead('first'))
    await registry.promote('intent', 1, { alias: 'challenger' })
    open()
    await ask('intent', 'intent@challenger')
    const bytes = Uint8Array.of(1, 2, 3)
    await publishHead(registry, 'intent', createTestHead('bad'), { alias: 'challenger', bytes })
    await publishHead(registry, 'intent', createTestHead('third'))
    await live.refresh()
    expect(await ask('intent', 'intent@challenger')).toEqual([
      'intent@v3:third0',
      'intent@v1:first0',
    ])
  })
})

describe('a registry that goes away', () => {
  it('never breaks what is loaded, and is followed again when it is back', async () => {
    let away = false
    await publishHead(registry, 'intent', createTestHead('first'))
    await publishHead(registry, 'topic', createTestHead('topic'))
    open({ registry: withOutages(registry, () => away) })
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    away = true
    for (let i = 0; i < 3; i++) await live.refresh()
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    await expect(ask('topic')).rejects.toMatchObject({ code: 'registry_unavailable' })
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    await publishHead(registry, 'intent', createTestHead('second'))
    away = false
    await live.refresh()
    expect(await ask('intent', 'topic')).toEqual(['intent@v2:second0', 'topic@v1:topic0'])
  })

  it('retries a version that could not be read', async () => {
    let away = false
    await publishHead(registry, 'intent', createTestHead('first'))
    open({ registry: withOutages(registry, () => away, 'readFile') })
    await ask('intent')
    await publishHead(registry, 'intent', createTestHead('second'))
    away = true
    await live.refresh()
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
    expect(live.stats().refused).toBe(0)
    away = false
    await live.refresh()
    expect(await ask('intent')).toEqual(['intent@v2:second0'])
  })

  it('answers with its error while nothing is known, then as soon as it is there', async () => {
    let away = true
    await publishHead(registry, 'intent', createTestHead('first'))
    open({ registry: withOutages(registry, () => away) })
    await expect(ask('intent')).rejects.toMatchObject({ code: 'registry_unavailable' })
    expect(await live.list()).toEqual([])
    away = false
    expect(await ask('intent')).toEqual(['intent@v1:first0'])
  })
})

describe('memory', () => {
  it('keeps the most recently used heads within the bound, and loads evicted ones again', async () => {
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) await publishHead(registry, name, createTestHead(name))
    const bytes = headBytes(createTestHead('a'))
    open({ headsBytes: 2 * bytes + 10 })
    for (const name of [...names, ...names]) await ask(name)
    expect(live.stats()).toMatchObject({ loaded: 8, evicted: 6, heads: 2, bytes: 2 * bytes })
    await expect(ask('a', 'b', 'c')).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('ESPALIER_HEADS_BYTES'),
    })
  })

  it('refuses a head larger than the bound', async () => {
    await publishHead(registry, 'wide', createTestHead('wide', {}, 50))
    open({ headsBytes: 1_000 })
    await expect(ask('wide')).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('wide@v1'),
    })
  })

  it('loads a head once however many ask for it at the same time', async () => {
    await publishHead(registry, 'intent', createTestHead('first'))
    open()
    await Promise.all(Array.from({ length: 50 }, () => ask('intent', 'intent@v1')))
    expect(live.stats().loaded).toBe(1)
  })
})

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
