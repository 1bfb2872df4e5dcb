import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions, Encoder } from '../../../shared/encoder/types.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { createManualTicker, passDeadlines, until } from '../../fakes/manual-ticker.ts'
import { TINY_DIMENSION, tinyTokenizerJson, writeTinyEncoder } from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }
const LIMITS = { maxQueueTokens: 100_000, maxQueueWaitMs: 60_000, maxTextBytes: 1_000_000 }
const TEXTS = ['the cat', 'the dog ran', 'rain is cold', 'a mat in the sun']

let folder: string
let faultyUrl: URL
let workerUrl: URL
const hangs: string[] = []
let marks = 0

beforeAll(async () => {
  faultyUrl = await bundleWorker('test/fakes/faulty-worker.ts')
  workerUrl = await bundleWorker()
  folder = await mkdtemp(join(tmpdir(), 'stuck-workers-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** An encoder whose deadlines pass when the test says so. Its hanging threads are let go in the end. */
async function open(workers: number, url = faultyUrl, tokenizer?: object) {
  const time = createManualTicker()
  const manifest = await writeTinyEncoder(folder)
  if (tokenizer) {
    const text = JSON.stringify(tokenizer)
    await writeFile(join(folder, manifest.tokenizer), text)
    const sha256 = createHash('sha256').update(text).digest('hex')
    Object.assign(manifest.files, {
      [manifest.tokenizer]: { sha256, bytes: Buffer.byteLength(text) },
    })
  }
  const encoder = await createEncoder({
    artifactDir: folder,
    manifest,
    precision: 'float32',
    version: 1,
    workers,
    device: 'cpu',
    workerUrl: url,
    limits: LIMITS,
    ticker: time.ticker,
    log: silentLogger,
  })
  onTestFinished(async () => {
    await Promise.all(hangs.splice(0).map((path) => writeFile(path, '')))
    await until(() => encoder.load().abandonedWorkers === 0)
    await encoder.close()
  })
  return { encoder, time }
}

/** The path of a hang, which ends with the test. */
function newHang(): string {
  marks += 1
  const path = join(folder, `hang-${marks}`)
  hangs.push(path)
  return path
}

/** The row of every text, in order. */
async function rowsOf(encoder: Encoder, texts: readonly string[]): Promise<number[][]> {
  const { vectors } = await encoder.encode(texts, OPTIONS)
  return texts.map((_, i) => [...vectors.subarray(i * TINY_DIMENSION, (i + 1) * TINY_DIMENSION)])
}

describe('a worker that does not come back', () => {
  test.each([1, 2])(
    'the input at fault fails alone, others answer with the same bits (%i workers)',
    async (workers) => {
      const { encoder, time } = await open(workers)
      const before = await rowsOf(encoder, TEXTS)
      const path = newHang()
      const work = Promise.allSettled([
        ...TEXTS.map((text) => rowsOf(encoder, [text])),
        encoder.encode(['dog', `HANG ${path}`], OPTIONS),
      ])
      await passDeadlines(work, time, encoder, path)
      const results = await work
      expect(results.at(-1)).toMatchObject({
        status: 'rejected',
        reason: { code: 'encoder_stuck', param: 'inputs[1]' },
      })
      expect(results.slice(0, -1)).toEqual(
        before.map((row) => ({ status: 'fulfilled', value: [row] })),
      )
      expect(await rowsOf(encoder, TEXTS)).toEqual(before)
      expect(encoder.load()).toMatchObject({ stuckWorkers: 2, abandonedWorkers: 2, lostMs: 0 })
    },
  )

  test('an input that hung is refused at once when it is sent again', async () => {
    const { encoder, time } = await open(1)
    const path = newHang()
    const work = encoder.encode([`HANG ${path}`], OPTIONS)
    await passDeadlines(work, time, encoder, path)
    await expect(work).rejects.toMatchObject({ code: 'encoder_stuck' })
    const again = encoder.encode(['dog', `HANG ${path}`], OPTIONS)
    await expect(again).rejects.toMatchObject({ code: 'encoder_stuck', param: 'inputs[1]' })
    expect(encoder.load().stuckWorkers).toBe(2)
  })

  test('a third one is not replaced until an abandoned one has come back', async () => {
    const { encoder, time } = await open(1)
    const before = await rowsOf(encoder, TEXTS)
    const first = newHang()
    const failing = encoder.encode([`HANG ${first}`], OPTIONS)
    await passDeadlines(failing, time, encoder, first)
    await expect(failing).rejects.toMatchObject({ code: 'encoder_stuck' })
    const second = newHang()
    const last = encoder.encode([`HANG ${second}`], OPTIONS)
    await passDeadlines(last, time, encoder, second)
    await expect(last).rejects.toMatchObject({ code: 'encoder_stuck' })
    await expect(encoder.encode(['dog'], OPTIONS)).rejects.toMatchObject({ code: 'internal' })
    time.tick(41)
    expect(encoder.load()).toMatchObject({ abandonedWorkers: 3, lostMs: 10_250 })
    await writeFile(first, '')
    await until(() => encoder.load().abandonedWorkers < 3)
    expect(await rowsOf(encoder, TEXTS)).toEqual(before)
    time.tick(1)
    expect(encoder.load().lostMs).toBe(0)
  })

  test('a regular expression of a tokenizer that backtracks without end is given up as well', async () => {
    const normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: ' ' }
    const tokenizer = { ...tinyTokenizerJson(), normalizer }
    const { encoder, time } = await open(2, workerUrl, tokenizer)
    const before = await rowsOf(encoder, TEXTS)
    // 2^25 steps: a second or more, after which the thread ends and the test with it.
    const hostile = `${'a'.repeat(25)}!`
    const work = encoder.encode(['dog', hostile], OPTIONS)
    const settled = Promise.allSettled([work])
    for (let turn = 0; encoder.load().stuckWorkers < 2; turn++) {
      if (encoder.load().busyWorkers === 1 && turn % 10 === 0) time.tick(1)
      await new Promise(setImmediate)
    }
    await settled
    await expect(work).rejects.toMatchObject({ code: 'encoder_stuck', param: 'inputs[1]' })
    expect(await rowsOf(encoder, TEXTS)).toEqual(before)
  })

  test('closing does not wait for it', async () => {
    const { encoder, time } = await open(1)
    const path = newHang()
    const work = encoder.encode([`HANG ${path}`], OPTIONS)
    await passDeadlines(work, time, encoder, path)
    await expect(work).rejects.toMatchObject({ code: 'encoder_stuck' })
    await encoder.close()
    expect(encoder.load().abandonedWorkers).toBe(2)
  })
})
