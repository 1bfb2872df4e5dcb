import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EspalierError } from '../../shared/lib/errors.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { createFakeSources, publishFakeEncoder } from '../fakes/fake-sources.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { interceptStore } from '../fakes/intercepted-store.ts'
import { type LiveApp, openLiveApp } from '../fakes/live-app.ts'
import { HEALTHY, type Observer, observe, type Question } from './observe.ts'

const ASSISTANT: Question = ['/classify', { inputs: 'a text', model: 'assistant' }]
let store: BlobStore
let registry: Registry
let served: LiveApp
let seen: Observer
/** What befalls whoever loads something, by what it is; nothing where all is well. */
let meet: ((what: string) => Promise<void>) | null

beforeEach(async () => {
  meet = null
  store = openMemoryStore()
  registry = openRegistry(store)
  await publishFakeEncoder(registry, 'words')
  await publishHead(registry, 'assistant', createTestHead('first'))
  const behind = interceptStore(store, {
    async get(key, ...rest) {
      if (key.startsWith('blobs/')) await meet?.('a head')
      return store.get(key, ...rest)
    },
  })
  served = await openLiveApp({
    encoder: 'words',
    registry: openRegistry(behind),
    sources: createFakeSources({ onOpen: async (label) => meet?.(label) }),
  })
  seen = observe((path, init) => served.app.request(path, init))
})
afterEach(() => served.live.close())

const fail = () => Promise.reject(new EspalierError('registry_unavailable', 'the disk is full'))

/** A wait that begins when somebody comes to it, and ends when it is told to. */
function gate() {
  const events = new EventEmitter()
  const entered = once(events, 'enter')
  const opened = once(events, 'open')
  const pass = async () => {
    events.emit('enter')
    await opened
  }
  return { entered, open: () => events.emit('open'), pass }
}

describe('a version that could not be loaded', () => {
  it.each([
    ['a head', 'assistant@v2', () => publishHead(registry, 'assistant', createTestHead('second'))],
    ['an encoder', 'words@v2', () => publishFakeEncoder(registry, 'words')],
  ])(
    'is told of until it is loaded, also while it is tried again: %s',
    async (_, label, publish) => {
      const quiet = await seen.askAll([ASSISTANT])
      meet = fail
      await publish()
      await served.live.classifiers.refresh()
      expect(await seen.health()).toEqual({ ...HEALTHY, degraded: [label] })
      const { entered, open, pass } = gate()
      meet = pass
      const trying = served.live.classifiers.refresh()
      try {
        await entered
        expect(await seen.health()).toEqual({ ...HEALTHY, degraded: [label] })
        expect(await seen.askAll([ASSISTANT])).toEqual(quiet)
      } finally {
        open()
      }
      await trying
      expect(await seen.health()).toEqual(HEALTHY)
    },
  )
})
