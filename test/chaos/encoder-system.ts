import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createEncoderSources } from '../../shared/encoders/encoder-sources.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import type { BlobStore } from '../../shared/registry/stores/blob-store.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { type Observer, observe, type Question } from './observe.ts'

const WORDS = 'f'.repeat(64)
const PETS = 'e'.repeat(64)
const PEER = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }

/** What nothing but the default encoder and a head of its family is needed for. */
export const OTHERS: Question[] = [
  ['/embed', { inputs: ['the cat', 'a mat'] }],
  ['/classify', { inputs: 'the dog ran', model: 'assistant' }],
]
/** What needs a second encoder, which is opened for the first such request. */
export const NEEDS_PETS: Question[] = [
  ['/classify', { inputs: 'the dog ran', model: 'pets-heads' }],
]

/** Encoders of real files: a registry in a folder, and a cache in another. */
export interface EncoderSystem {
  readonly folder: string
  readonly cache: string
  /** Never broken. */
  readonly registry: Registry
  /** A server as a process starts it; its clock stands still until `later`. */
  serve(store?: BlobStore): Promise<Observer>
  later(ms: number): void
  logged(): (string | undefined)[]
}

/** Makes a registry with two encoders, `words` and `pets`, and a head of each. */
export async function createEncoderSystem(workerUrl: URL): Promise<EncoderSystem> {
  const folder = await mkdtemp(join(tmpdir(), 'chaos-encoders-'))
  const cache = join(folder, 'cache')
  const builtinFolder = join(folder, 'builtin')
  const store = openDirectoryStore(join(folder, 'registry'))
  const registry = openRegistry(store)
  await publishTinyEncoder(registry, 'words')
  await publishTinyEncoder(registry, 'pets', { family: PETS, changes: { family: PETS } })
  await publishHead(registry, 'assistant', createTestHead('own', { family: WORDS }))
  await publishHead(registry, 'pets-heads', createTestHead('pet', { family: PETS }))
  let nowMs = 1_000_000
  let deps: Awaited<ReturnType<typeof createApiDeps>> | undefined
  const lines: (string | undefined)[] = []
  const close = async () => {
    await deps?.close()
    lines.push(...(deps?.log.lines ?? []).map(({ message }) => message))
    deps = undefined
  }
  onTestFinished(async () => {
    await close()
    await rm(folder, { recursive: true, force: true })
  })
  await writeFile(join(folder, 'texts.txt'), '')
  return {
    folder,
    cache,
    registry,
    async serve(seenStore = store) {
      await close()
      const served = openRegistry(seenStore)
      const sources = createEncoderSources({
        builtinFolder,
        calibrationTexts: join(folder, 'texts.txt'),
        cacheFolder: cache,
        threads: 1,
        openRegistry: async () => served,
        precision: 'float32',
        workerUrl,
        workers: 1,
        device: 'cpu',
        limits: { maxQueueTokens: 1e6, maxQueueWaitMs: 60_000, maxTextBytes: 1e4 },
        log: {
          debug: () => {},
          info: () => {},
          warn: (_, message) => void lines.push(message),
          error: (_, message) => void lines.push(message),
        },
      })
      const env = { ESPALIER_POLL_SECONDS: '1' }
      deps = await createApiDeps({
        sources,
        name: 'words',
        registry: served,
        env,
        monotonicMs: () => nowMs,
      })
      const app = createApp(deps)
      return observe((path, init) => app.request(path, init, PEER))
    },
    later(ms) {
      nowMs += ms
    },
    logged: () => [...lines, ...(deps?.log.lines ?? []).map(({ message }) => message)],
  }
}
