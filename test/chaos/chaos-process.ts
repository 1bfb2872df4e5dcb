import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import type { asNobody } from '../fakes/nobody.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { type ServerProcess, startedServer } from '../integration/server-process.ts'
import { type Health, type Observer, observe, type Question } from './observe.ts'

/** The program as it is built: `npm run test:chaos` builds it first. */
export const SCRIPT = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Requests that have nothing to do with what is broken. */
export const OTHERS: Question[] = [
  ['/embed', { inputs: ['the cat', 'a mat'] }],
  ['/v1/embeddings', { input: 'rain is cold', encoding_format: 'base64' }],
  ['/classify', { inputs: 'the dog ran', model: 'assistant' }],
]

/** A folder with a registry that has an encoder, `words`, and a head, `assistant`. */
export interface ChaosPlace {
  readonly folder: string
  readonly registryFolder: string
  readonly registry: Registry
  /** Settings of a server that serves it. */
  readonly env: Readonly<Record<string, string>>
}

/** Makes the place; it is gone after the test. */
export async function createPlace(): Promise<ChaosPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-chaos-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  // Servers of other users look into it.
  await chmod(folder, 0o777)
  const registryFolder = join(folder, 'registry')
  const registry = openRegistry(openDirectoryStore(registryFolder))
  await publishTinyEncoder(registry, 'words')
  await publishHead(registry, 'assistant', wordsHead('own'))
  const env = {
    ESPALIER_REGISTRY: `file:${registryFolder}`,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_ENCODER: 'words',
    ESPALIER_PRECISION: 'float32',
    ESPALIER_WORKERS: '2',
    ESPALIER_POLL_SECONDS: '0.2',
    ESPALIER_ADMIN_LOCAL: '1',
    ESPALIER_LOG_LEVEL: 'info',
  }
  return { folder, registryFolder, registry, env }
}

/** A head that reads the vectors of `words`. */
export function wordsHead(prefix: string): ReturnType<typeof createTestHead> {
  return createTestHead(prefix, { family: 'f'.repeat(64) })
}

/** A server in a process of its own, what is seen of it, and what it answered before anything broke. */
export interface ChaosServer extends Observer {
  readonly port: number
  readonly process: ServerProcess
  readonly quiet: readonly string[]
  /** Waits until the probes say so. @returns the seconds that it took */
  waitFor(health: Partial<Health>): Promise<number>
}

/** Starts a server and asks it what others ask; it is stopped after the test. */
export async function startChaosServer(
  env: Readonly<Record<string, string>>,
  { user = {}, others = OTHERS }: { user?: typeof asNobody; others?: readonly Question[] } = {},
): Promise<ChaosServer> {
  const process = await startedServer(SCRIPT, env, [], user)
  onTestFinished(async () => void (await process.stop()))
  const seen = observe((path, init) => fetch(`${process.url}${path}`, init))
  const quiet = await seen.askAll(others)
  return {
    ...seen,
    port: Number(new URL(process.url).port),
    process,
    quiet,
    async waitFor(health) {
      const begun = performance.now()
      await expect
        .poll(() => seen.health(), { timeout: 60_000, interval: 20 })
        .toMatchObject(health)
      return (performance.now() - begun) / 1000
    },
  }
}

/**
 * Times of one thing done again and again, one after the other. Bars are for the median: where others use the machine as
 * well, the slowest say nothing of the server.
 */
export interface Times {
  readonly medianMs: number
  readonly p95Ms: number
  readonly maxMs: number
}

export async function measure(count: number, work: () => Promise<unknown>): Promise<Times> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const begun = performance.now()
    await work()
    times.push(performance.now() - begun)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => Math.round(times[Math.floor(share * (count - 1))]! * 10) / 10
  return { medianMs: at(0.5), p95Ms: at(0.95), maxMs: at(1) }
}

/** Prints what was measured, so that a run leaves figures and not only a verdict. */
export function note(what: string, figures: object): void {
  console.info(`${what}: ${JSON.stringify(figures)}`)
}
