import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createEncoder } from '../../shared/encoder/pooled-encoder.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { createManualTicker, passDeadlines, until } from '../fakes/manual-ticker.ts'
import { writeTinyEncoder } from '../fakes/tiny-encoder.ts'
import { bundleWorker } from '../worker-bundle.ts'
import { HEALTHY, observe, type Question } from './observe.ts'

const LIMITS = { maxQueueTokens: 100_000, maxQueueWaitMs: 60_000, maxTextBytes: 1_000_000 }
const OTHERS: Question[] = [
  ['/embed', { inputs: ['the cat', 'a mat'] }],
  ['/v1/embeddings', { input: 'rain is cold', encoding_format: 'base64' }],
  ['/classify', { inputs: 'the dog ran', model: 'assistant' }],
]
/** Of the pool's ticker, four a second. */
const TICKS_A_SECOND = 4
let folder: string
let workerUrl: URL
let marks = 0

beforeAll(async () => {
  workerUrl = await bundleWorker('test/fakes/faulty-worker.ts')
  folder = await mkdtemp(join(tmpdir(), 'chaos-workers-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A server over real workers whose deadlines pass when the test says so. */
async function serve(workers: number) {
  const time = createManualTicker()
  const encoder = await createEncoder({
    artifactDir: folder,
    manifest: await writeTinyEncoder(folder),
    precision: 'float32',
    version: 1,
    workers,
    device: 'cpu',
    workerUrl,
    limits: LIMITS,
    ticker: time.ticker,
    log: silentLogger,
  })
  const registry = createTestRegistry()
  await publishHead(registry, 'assistant', createTestHead('own', { family: 'f'.repeat(64) }))
  const deps = await createApiDeps({ encoder, registry })
  const app = createApp(deps)
  const seen = observe((path, init) => app.request(path, init))
  const hangs: string[] = []
  onTestFinished(async () => {
    await Promise.all(hangs.map((path) => writeFile(path, '')))
    await until(() => encoder.load().abandonedWorkers === 0)
    await deps.close()
  })
  /** Sends a text on which a worker hangs; `end` lets it come back. */
  const hang = async () => {
    marks += 1
    const path = join(folder, `hang-${marks}`)
    hangs.push(path)
    const work = seen.ask('/embed', { inputs: ['dog', `HANG ${path}`] })
    await passDeadlines(work, time, encoder, path)
    return { answer: await work, end: () => writeFile(path, '') }
  }
  return { seen, time, encoder, hang }
}

describe('workers', () => {
  it.each([1, 2])('that crash are replaced: others get the same answers (%i)', async (workers) => {
    const { seen } = await serve(workers)
    const quiet = await seen.askAll(OTHERS)
    const mark = join(folder, `crash-${workers}`)
    const work = [
      seen.ask('/embed', { inputs: ['dog', 'END-WORKER'] }),
      seen.ask('/embed', { inputs: `END-ONCE ${mark}` }),
      seen.askAll(OTHERS),
    ] as const
    const [fatal, once, others] = await Promise.all(work)
    expect(others).toEqual(quiet)
    expect(once.status).toBe(200)
    expect(fatal.status).toBe(424)
    expect(await seen.metric('espalier_worker_crashes_total')).toBeGreaterThan(0)
    expect(await seen.health()).toEqual(HEALTHY)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
  })

  it.each([1, 2])('that hang are replaced: others get the same answers (%i)', async (workers) => {
    const { seen, hang } = await serve(workers)
    const quiet = await seen.askAll(OTHERS)
    const hanging = hang()
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    const { answer, end } = await hanging
    expect(answer).toMatchObject({ status: 424, text: expect.stringContaining('inputs[1]') })
    expect(await seen.metric('espalier_stuck_workers_total')).toBe(2)
    expect(await seen.metric('espalier_abandoned_workers')).toBe(2)
    expect(await seen.health()).toEqual(HEALTHY)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    await end()
    await until(async () => (await seen.metric('espalier_abandoned_workers')) === 0)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
  })

  it('that all hang are told of by readiness, then by liveness, until one comes back', async () => {
    const { seen, time, hang } = await serve(1)
    const quiet = await seen.askAll(OTHERS)
    const first = await hang()
    await hang()
    time.tick(10 * TICKS_A_SECOND + 1)
    expect(await seen.health()).toMatchObject({ ready: 503, live: 200, status: 'workers_lost' })
    time.tick(50 * TICKS_A_SECOND)
    expect(await seen.health()).toMatchObject({ ready: 503, live: 503, status: 'workers_lost' })
    await first.end()
    await until(async () => (await seen.ask('/embed', { inputs: 'dog' })).status === 200)
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    time.tick(1)
    expect(await seen.health()).toEqual(HEALTHY)
  })
})
