import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions, Encoder } from '../../../shared/encoder/types.ts'
import { exportImageEncoder } from '../../../shared/exporter/export-image-encoder.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { createManualTicker, passDeadlines, until } from '../../fakes/manual-ticker.ts'
import { writeTinyImageFolder } from '../../fakes/tiny-image-network.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }
const LIMITS = {
  maxQueueTokens: 100_000_000,
  maxQueueWaitMs: 60_000,
  maxTextBytes: 1_000_000,
  runTimeoutMs: 60_000,
}
const SECOND = 4

let work: string
let workerUrl: URL
let manifest: EncoderManifest
let marks = 0

beforeAll(async () => {
  workerUrl = await bundleWorker('test/fakes/faulty-worker.ts')
  work = await mkdtemp(join(tmpdir(), 'stuck-images-'))
  await writeTinyImageFolder(join(work, 'tiny'))
  manifest = await exportImageEncoder({ folder: join(work, 'tiny'), output: join(work, 'encoder') })
})
afterAll(() => rm(work, { recursive: true }))

async function open(workers: number) {
  const time = createManualTicker()
  const encoder = await createEncoder({
    artifactDir: join(work, 'encoder'),
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
  onTestFinished(async () => {
    await until(() => encoder.load().abandonedWorkers === 0)
    await encoder.close()
  })
  return { encoder, time }
}

async function picture(side: number, grey: number): Promise<Buffer> {
  const create = { width: side, height: side, channels: 3, background: { r: grey, g: 9, b: 99 } }
  return sharp({ create } as never)
    .png()
    .toBuffer()
}

/** An image that a worker hangs over until the test is done. */
async function hanging(side: number) {
  marks += 1
  const path = join(work, `hang-${marks}`)
  onTestFinished(() => writeFile(path, ''))
  return { path, file: Buffer.concat([await picture(side, 7), Buffer.from(`HANG ${path}`)]) }
}

async function rowsOf(encoder: Encoder, files: readonly Uint8Array[]): Promise<Float32Array> {
  return (await encoder.encode(files, OPTIONS)).vectors
}

describe('a worker that does not come back from an image', () => {
  test('is replaced; the image fails alone, and the others answer with the same bits', async () => {
    const { encoder, time } = await open(2)
    const files = [await picture(9, 1), await picture(20, 80), await picture(33, 200)]
    const before = await rowsOf(encoder, files)
    const { path, file } = await hanging(12)
    const others = rowsOf(encoder, files)
    const failing = Promise.allSettled([encoder.encode([files[0]!, file], OPTIONS)])
    await passDeadlines(failing, time, encoder, path)
    expect(await failing).toMatchObject([
      { reason: { code: 'encoder_stuck', param: 'inputs[1]' }, status: 'rejected' },
    ])
    expect(await others).toEqual(before)
    expect(await rowsOf(encoder, files)).toEqual(before)
  })

  test.each([
    // One image and a little: less than 16 together.
    [100, 60],
    // 1 and 25 million pixels: 26 of 16.
    [5_000, 97.5],
  ])('has time by its pixels: %i a side, %f seconds', async (side, seconds) => {
    const { encoder, time } = await open(1)
    const { path, file } = await hanging(side)
    const failing = encoder.encode([file], OPTIONS)
    failing.catch(() => {})
    await until(() => encoder.load().busyWorkers === 1)
    time.tick(seconds * SECOND)
    expect(encoder.load().stuckWorkers).toBe(0)
    time.tick(1)
    expect(encoder.load().stuckWorkers).toBe(1)
    await passDeadlines(failing, time, encoder, path)
    await expect(failing).rejects.toMatchObject({ code: 'encoder_stuck' })
  })

  test('ends in one: the image at fault fails alone', async () => {
    const { encoder } = await open(2)
    const files = [await picture(9, 1), await picture(20, 80)]
    const before = await rowsOf(encoder, files)
    const fatal = Buffer.concat([await picture(12, 7), Buffer.from('END-WORKER')])
    const work = [encoder.encode([fatal], OPTIONS), rowsOf(encoder, files)]
    const [failed, answered] = await Promise.allSettled(work)
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'internal' } })
    expect(answered).toEqual({ status: 'fulfilled', value: before })
    expect(encoder.load().workerCrashes).toBe(2)
  })
})
