import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../shared/lib/clock.ts'
import { parseConfig } from '../../../shared/lib/config/config.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import {
  type DefaultEncoder,
  openDefaultEncoder,
} from '../../../shared/serving/live/open-default-encoder.ts'
import {
  createFakeSources,
  type FakeSources,
  publishFakeEncoder,
} from '../../fakes/fake-sources.ts'

let registry: Registry
let opened: DefaultEncoder | undefined
/** What happened, in order. */
let events: string[]
let sources: FakeSources

beforeEach(() => {
  registry = openRegistry(openMemoryStore())
  opened = undefined
  events = []
  sources = createFakeSources({
    local: { shipped: {} },
    async onOpen(label) {
      events.push(`open ${label}`)
    },
  })
})
afterEach(() => opened?.encoders.close())

async function open(
  encoder: string,
  ahead: { verified: Promise<void> } | null,
  openOne = async () => registry,
): Promise<string> {
  opened = await openDefaultEncoder({
    encoder,
    openRegistry() {
      events.push('read registry')
      return openOne()
    },
    memory: null,
    sources,
    ahead,
    config: parseConfig({}),
    clock: systemClock,
    log: silentLogger,
  })
  const { name, version } = opened.encoders.current.info
  return `${name}@v${version}`
}

const never = new Promise<void>(() => {})

describe('the encoder that a server begins with', () => {
  it('is begun before the registry is read where that has none of the name, and opened once', async () => {
    expect(await open('shipped', { verified: never })).toBe('shipped@v1')
    expect(events).toEqual(['open shipped', 'read registry'])
    expect(sources.openNow()).toEqual(['shipped'])
  })

  it('leaves the thread to the registry once its files are verified', async () => {
    let finish = () => {}
    const loading = new Promise<void>((resolve) => {
      finish = resolve
    })
    sources = createFakeSources({ local: { shipped: {} }, onOpen: () => loading })
    // The workers are ready only after the registry was asked for.
    await open('shipped', { verified: Promise.resolve() }, async () => {
      finish()
      return registry
    })
    expect(sources.opened).toEqual(['shipped'])
  })

  it('waits for the registry where that may have the name', async () => {
    await publishFakeEncoder(registry, 'shipped')
    expect(await open('shipped', null)).toBe('shipped@v1')
    expect(events).toEqual(['read registry', 'open shipped@v1'])
  })

  it('gives way to one that the registry has got meanwhile', async () => {
    await publishFakeEncoder(registry, 'shipped')
    await publishFakeEncoder(registry, 'shipped')
    expect(await open('shipped', { verified: never })).toBe('shipped@v2')
    expect(sources.openNow()).toEqual(['shipped@v2'])
  })

  it('fails without reading the registry where there is none of the name', async () => {
    await expect(open('unheard-of', { verified: never })).rejects.toMatchObject({
      code: 'model_not_found',
    })
    expect(events).toEqual([])
  })

  it('is closed again where the registry cannot be opened', async () => {
    const broken = open('shipped', { verified: never }, async () => {
      throw new Error('no such disk')
    })
    await expect(broken).rejects.toThrow('no such disk')
    expect(sources.opened).toEqual(['shipped'])
    expect(sources.openNow()).toEqual([])
  })
})
