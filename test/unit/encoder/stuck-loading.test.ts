import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions, Encoder } from '../../../shared/encoder/types.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { createManualTicker, until } from '../../fakes/manual-ticker.ts'
import { writeTinyEncoder } from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }
const LIMITS = {
  maxQueueTokens: 100_000,
  maxQueueWaitMs: 60_000,
  maxTextBytes: 1_000_000,
  loadTimeoutMs: 1_000,
}
/** Ticks in which a load has to come back. */
const TICKS = 5

let folder: string
let workerUrl: URL
let manifest: EncoderManifest
let goFile: string
let running: string
let marks = 0

beforeAll(async () => {
  workerUrl = await bundleWorker('test/fakes/faulty-worker.ts')
  folder = await mkdtemp(join(tmpdir(), 'stuck-loading-'))
  manifest = await writeTinyEncoder(folder)
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  marks += 1
  goFile = join(folder, `go-${marks}`)
  running = `${goFile}-running`
})

/** From now on, threads that load this artifact hang until the test lets them go. */
const hangLoads = () => writeFile(join(folder, 'hang-load'), goFile)

async function letGo(): Promise<void> {
  await rm(join(folder, 'hang-load'), { force: true })
  await writeFile(goFile, '')
}

function start(workers: number) {
  const time = createManualTicker()
  const opening = createEncoder({
    artifactDir: folder,
    manifest,
    precision: 'float32',
    version: 1,
    workers,
    device: 'cpu',
    workerUrl,
    limits: LIMITS,
    ticker: time.ticker,
    log: silentLogger,
  })
  return { opening, time }
}

async function open(workers: number) {
  const { opening, time } = start(workers)
  const encoder = await opening
  onTestFinished(async () => {
    await letGo()
    await until(() => encoder.load().abandonedWorkers === 0)
    await encoder.close()
  })
  return { encoder, time }
}

/** Ends one worker, whose replacement then hangs. */
async function loseWorker(encoder: Encoder) {
  await hangLoads()
  const fatal = encoder.encode([`END-ONCE ${join(folder, `ended-${marks}`)}`], OPTIONS)
  fatal.catch(() => {})
  await until(() => existsSync(running))
  return { fatal }
}

/** Resolves when two workers take jobs. */
async function bothLoaded(encoder: Encoder): Promise<void> {
  for (let busy = 0; busy < 2; ) {
    const jobs = ['a cat', 'a dog'].map((text) => encoder.encode([text], OPTIONS))
    busy = encoder.load().busyWorkers
    await Promise.all(jobs)
  }
}

const vectorOf = async (encoder: Encoder, text: string) =>
  (await encoder.encode([text], OPTIONS)).vectors

describe('a fresh worker that does not come back from loading', () => {
  test('is given up in its turn, while the others answer with the same bits', async () => {
    const { encoder, time } = await open(2)
    await bothLoaded(encoder)
    const before = await vectorOf(encoder, 'the cat')
    await loseWorker(encoder)
    rmSync(running)
    time.tick(TICKS - 1)
    expect(encoder.load()).toMatchObject({ stuckWorkers: 0, workerCrashes: 1 })
    time.tick(1)
    expect(encoder.load()).toMatchObject({ stuckWorkers: 1, abandonedWorkers: 1, lostMs: 0 })
    expect(await vectorOf(encoder, 'the cat')).toEqual(before)
    // Another one has taken its place, and hangs as well.
    await until(() => existsSync(running))
  })

  test('is not replaced for ever; health says so, and one that comes back makes room', async () => {
    const { encoder, time } = await open(1)
    const before = await vectorOf(encoder, 'the cat')
    const { fatal } = await loseWorker(encoder)
    const waiting = encoder.encode(['the dog'], OPTIONS)
    for (const stuckWorkers of [1, 2, 3]) {
      await until(() => existsSync(running))
      rmSync(running)
      time.tick(TICKS)
      expect(encoder.load()).toMatchObject({ stuckWorkers, abandonedWorkers: stuckWorkers })
    }
    await expect(waiting).rejects.toMatchObject({ code: 'internal' })
    await expect(fatal).rejects.toMatchObject({ code: 'internal' })
    expect(encoder.load().lostMs).toBeGreaterThanOrEqual(3 * 1_000)
    await letGo()
    await until(() => encoder.load().abandonedWorkers < 3)
    expect(await vectorOf(encoder, 'the cat')).toEqual(before)
    expect(encoder.load().lostMs).toBe(0)
  })

  test('ends the opening, where no other has loaded', async () => {
    await hangLoads()
    onTestFinished(letGo)
    const { opening, time } = start(1)
    const failed = expect(opening).rejects.toMatchObject({
      code: 'encoder_stuck',
      message: expect.stringContaining('ESPALIER_LOAD_TIMEOUT_MS'),
    })
    let settled = false
    void failed.then(() => {
      settled = true
    })
    await until(() => existsSync(running))
    // The time in which files are verified does not count.
    await until(() => {
      time.tick(1)
      return settled
    })
    await failed
  })
})
