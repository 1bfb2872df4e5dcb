import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { measureDistances, stackHeads } from '../../shared/head/columns.ts'
import type { Head } from '../../shared/head/head.ts'
import { quantizeRows } from '../../shared/head/neighbours.ts'
import { type Prediction, predict } from '../../shared/head/predict.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openBlobStore } from '../../shared/registry/stores/open-store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { bundledCli } from '../cli-bundle.ts'
import { findNeighbours } from '../fakes/find-neighbours.ts'
import { createTestDetector, createTestHead, publishHead } from '../fakes/heads.ts'
import { publishTinyEncoder } from '../fakes/publish-tiny-encoder.ts'
import { TINY_DIMENSION, TINY_VOCABULARY, tinyEmbedding } from '../fakes/tiny-encoder.ts'
import { LOAD_TEXTS, startLoad } from './promotion-load.ts'
import { type ServerProcess, startedServer } from './server-process.ts'

/** What a run is about. */
export interface PromotionRun {
  /** The registry; a new folder where it is left out. */
  readonly url?: string
  /** What the servers need to reach it. */
  readonly env?: Readonly<Record<string, string>>
  readonly promotions: number
  readonly print: (line: string) => void
}

const SERVERS = 2
const FAMILY = 'f'.repeat(64)
const OTHER_FAMILY = 'e'.repeat(64)
/** Every so many promotions it is an encoder's turn, a rollback's, and that of a version nobody promotes. */
const [ENCODER_EVERY, ROLLBACK_EVERY, DECOY_EVERY] = [4, 5, 3]

/**
 * Two servers under load while a head and their encoder are promoted and rolled back again and again: no request
 * fails, no answer comes from a version that was never promoted, and in the end all servers are of one mind.
 */
export async function runPromotions(run: PromotionRun): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-promotions-'))
  const bundle = bundledCli()
  const url = run.url ?? `file:${join(folder, 'registry')}`
  const registry = openRegistry(await openBlobStore(url))
  const servers: ServerProcess[] = []
  try {
    const world = await prepare(registry)
    for (let i = 0; i < SERVERS; i++) {
      servers.push(
        await startedServer(bundle.script, {
          ESPALIER_REGISTRY: url,
          ESPALIER_CACHE: join(folder, `cache-${i}`),
          ESPALIER_ENCODER: 'words',
          ESPALIER_PRECISION: 'float32',
          ESPALIER_POLL_SECONDS: '0.2',
          ESPALIER_LOG_LEVEL: 'warn',
          ...run.env,
        }),
      )
    }
    await promoteUnderLoad(run, world, servers)
    for (const { logged } of servers) expect(logged()).toEqual([])
    for (const server of servers.splice(0)) expect(await server.stop()).toBe(0)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
    await registry.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface World {
  readonly registry: Registry
  /** Versions that were ever promoted, `name@v7`. */
  readonly allowed: Set<string>
  /** What each head says of the texts, by `name@v7`. */
  readonly expected: Map<string, Prediction[]>
}

/** Two encoders of one family and one of another, a head that stays and one to promote. */
async function prepare(registry: Registry): Promise<World> {
  await publishTinyEncoder(registry, 'words')
  await publishTinyEncoder(registry, 'words', { promote: false })
  await publishTinyEncoder(registry, 'words', {
    promote: false,
    changes: { family: OTHER_FAMILY },
  })
  const allowed = new Set(['words@v1', 'topic@v1', 'intent@v1'])
  const world: World = { registry, allowed, expected: new Map() }
  for (const name of ['topic', 'intent']) {
    await publish(world, name, 1)
    await registry.promote(name, 1)
  }
  return world
}

/** Publishes a head of its own kind: with a memory, with a detector, for another family, or plain. */
async function publish(
  { registry, expected }: World,
  name: string,
  version: number,
): Promise<void> {
  const rows = createTestHead('memory', { dimension: TINY_DIMENSION }, 6).weights
  const memory = {
    ...quantizeRows(rows, TINY_DIMENSION),
    labels: Int32Array.of(0, 1, 2, 0, 1, 2),
    k: 3,
    temperature: 0.2,
    weight: 0.5,
  }
  const label = `${name}@v${version}`
  const head = createTestHead(`${label} `, {
    family: version % 7 === 6 ? OTHER_FAMILY : FAMILY,
    dimension: TINY_DIMENSION,
    ...(version % 3 === 0 && { memory }),
    ...(version % 4 === 0 && { detector: createTestDetector(TINY_DIMENSION) }),
  })
  expected.set(
    label,
    LOAD_TEXTS.map((text) => predictApart(head, text)),
  )
  expect(await publishHead(registry, name, head, { alias: null })).toBe(version)
}

/** A prediction without any server, from the vector that the tiny encoder has to make. */
function predictApart(head: Head, text: string): Prediction {
  const ids = text.split(' ').map((word) => TINY_VOCABULARY.indexOf(word))
  const vector = Float32Array.from(tinyEmbedding([2, ...ids, 3]))
  const stack = stackHeads([head])
  const products = stack.bias.map((start, c) =>
    vector.reduce((sum, x, i) => sum + x * stack.weights[c * vector.length + i]!, start),
  )
  return predict(head, {
    scores: measureDistances(stack, products),
    rows: 1,
    stride: stack.columns,
    place: stack.places[0]!,
    neighbours: head.memory ? findNeighbours(head.memory, vector) : undefined,
  })[0]!
}

async function promoteUnderLoad(
  { promotions, print }: PromotionRun,
  world: World,
  servers: readonly ServerProcess[],
): Promise<void> {
  const { registry, allowed, expected } = world
  const seen = new Map<string, (version: string) => void>()
  const stop = startLoad(
    servers.map((server) => server.url),
    {
      isAllowed: (version) => allowed.has(version),
      expected: (version, text) => expected.get(version)![text]!,
      onAnswer: (url, version) => seen.get(url)?.(version),
    },
  )
  /** Milliseconds until each server answers with what was promoted. */
  const delays: Record<string, number[]> = { intent: [], words: [] }
  const promote = async (name: string, version: number, change: () => Promise<unknown>) => {
    const label = `${name}@v${version}`
    allowed.add(label)
    const since = performance.now()
    const arrivals = servers.map(
      ({ url }) =>
        new Promise<void>((resolve) => {
          seen.set(url, (answered) => {
            if (answered !== label) return
            delays[name]!.push(performance.now() - since)
            seen.delete(url)
            resolve()
          })
        }),
    )
    await change()
    await Promise.all(arrivals)
  }
  let latest = 1
  const encoders = [2, 3, 1]
  const began = performance.now()
  for (let step = 1; step <= promotions; step++) {
    if (step % ENCODER_EVERY === 0) {
      const version = encoders[(step / ENCODER_EVERY - 1) % encoders.length]!
      await promote('words', version, () => registry.promote('words', version))
    } else if (step % ROLLBACK_EVERY === 0) {
      const before = await registry.readState('intent')
      const moves = before.status === 'found' ? before.state.history : []
      const target = moves.findLast(({ action }) => action === 'promote')!.from!
      await promote('intent', target, () => registry.rollback('intent'))
    } else {
      if (step % DECOY_EVERY === 0) await publish(world, 'intent', ++latest)
      await publish(world, 'intent', ++latest)
      const version = latest
      await promote('intent', version, () => registry.promote('intent', version))
    }
  }
  const seconds = (performance.now() - began) / 1000
  // All at once in the end: the last one counts.
  for (let i = 0; i < 3; i++) {
    await publish(world, 'intent', ++latest)
    allowed.add(`intent@v${latest}`)
    await registry.promote('intent', latest)
  }
  for (const { url } of servers) {
    const champion = async () => {
      const model = (await (await fetch(`${url}/v1/models/intent`)).json()) as { version: number }
      return model.version
    }
    await expect.poll(champion, { timeout: 30_000 }).toBe(latest)
  }
  const { requests, faults, durations } = await stop()
  const figures = (values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]?.toFixed(0)
    return `p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)} ms`
  }
  print(
    `${promotions} promotions and rollbacks in ${seconds.toFixed(1)} s on ${servers.length} servers: ` +
      `${requests} requests (${figures(durations)}), ${faults.length} faults; ` +
      `to the first answer of a head ${figures(delays.intent!)}, of an encoder ${figures(delays.words!)}`,
  )
  expect(faults).toEqual([])
  const answers = Object.values(delays).flat()
  expect(answers).toHaveLength(promotions * servers.length)
}
