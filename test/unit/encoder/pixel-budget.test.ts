import { describe, expect, it } from 'vitest'
import { Dispatcher, type EncoderLimits } from '../../../shared/encoder/dispatcher.ts'
import { createInputKind } from '../../../shared/encoder/input-kind.ts'
import { PixelBudget } from '../../../shared/encoder/pixel-budget.ts'
import { EncodeRequest } from '../../../shared/encoder/request.ts'
import { groupingOfImages } from '../../../shared/runtime/grouping.ts'
import { createFakePool } from '../../fakes/fake-pool.ts'

const TOKENS = 64
const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const OPEN: EncoderLimits = {
  maxQueueTokens: 1e9,
  maxQueueWaitMs: 1e9,
  maxTextBytes: 1,
}

/** The header of a PNG of some size; `salt` makes it another image. */
function pngOf(width: number, height: number, salt = 0): Uint8Array {
  const file = Buffer.alloc(40)
  file.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')
  file.writeUInt32BE(width, 16)
  file.writeUInt32BE(height, 20)
  file.writeUInt32BE(salt, 32)
  return file
}

function open(limits: Partial<EncoderLimits>, workers = 4) {
  const pool = createFakePool(workers, 2)
  const manifest = { modality: 'image', tokens: TOKENS } as Parameters<typeof createInputKind>[0]
  const dispatcher = new Dispatcher({
    pool,
    grouping: groupingOfImages(TOKENS),
    limits: { ...OPEN, ...limits },
    dimension: 2,
    kind: createInputKind(manifest, { ...OPEN, ...limits }),
    fingerprint: 'f',
    cache: null,
    longJobs: false,
  })
  pool.onFree = () => dispatcher.dispatch()
  return {
    pool,
    submit(images: readonly Uint8Array[]) {
      const request = new EncodeRequest(images, OPTIONS, null, 2)
      dispatcher.submit(request)
      return request.result
    },
    /** Pixels of the largest image of each job that runs. */
    running: () =>
      pool.jobs.map(({ job }) =>
        Math.max(...job.inputs.map((file) => Buffer.from(file).readUInt32BE(16) ** 2)),
      ),
    async finishOne() {
      pool.jobs[0]?.finish(1)
      await new Promise(setImmediate)
      pool.onFree()
    },
  }
}

describe('the pixels of a request', () => {
  it('are bounded by their sum, and the error names the image and the budget', async () => {
    const { submit, pool } = open({ maxRequestPixels: 400_000_000 })
    const large = Array.from({ length: 16 }, (_, i) => pngOf(7_000, 7_000, i))
    expect(() => submit(large)).toThrow(
      expect.objectContaining({
        code: 'image_too_large',
        index: 8,
        message: expect.stringContaining('the limit is 400000000 (ESPALIER_MAX_REQUEST_PIXELS)'),
      }),
    )
    expect(pool.jobs).toEqual([])
  })

  it('count equal images once', async () => {
    const { submit, finishOne } = open({ maxRequestPixels: 50_000_000 })
    const result = submit(Array(200).fill(pngOf(7_000, 7_000)))
    await finishOne()
    expect((await result).tokens).toHaveLength(200)
  })

  it('count nothing for what no decoder takes', async () => {
    const limits = { maxRequestPixels: 1_000, maxImagePixels: 900 }
    const { submit, finishOne } = open(limits, 1)
    const result = submit([pngOf(40, 40), Buffer.from('no image'), pngOf(10, 10)])
    await finishOne()
    expect((await result).tokens).toHaveLength(3)
  })
})

describe('the pixels that are decoded at once', () => {
  it('are bounded over all workers, and every image has its turn', async () => {
    const { submit, running, finishOne } = open({ decoding: new PixelBudget(100_000_000) })
    const sides = [7_000, 7_000, 1_000, 7_000, 3_000, 7_000, 5_000, 6_000, 100, 7_000]
    const results = sides.map((side, i) => submit([pngOf(side, side, i)]))
    let done = 0
    while (running().length > 0) {
      expect(running().reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(100_000_000)
      await finishOne()
      done += 1
    }
    expect(done).toBeLessThanOrEqual(sides.length)
    expect(await Promise.all(results)).toHaveLength(sides.length)
  })

  it('are those of all encoders together', async () => {
    const decoding = new PixelBudget(60_000_000)
    const [first, second] = [open({ decoding }), open({ decoding })]
    const results = [first.submit([pngOf(7_000, 7_000)]), second.submit([pngOf(7_000, 7_000)])]
    expect([first.running().length, second.running().length]).toEqual([1, 0])
    await first.finishOne()
    expect([first.running().length, second.running().length]).toEqual([0, 1])
    await second.finishOne()
    expect(await Promise.all(results)).toHaveLength(2)
    expect(decoding.used).toBe(0)
  })

  it('may be more for a single image', async () => {
    const { submit, running, finishOne } = open({ decoding: new PixelBudget(1_000) })
    const result = submit([pngOf(7_000, 7_000)])
    expect(running()).toEqual([49_000_000])
    await finishOne()
    expect((await result).tokens).toHaveLength(1)
  })

  it('leave small images as they were: all workers run, several images a job', () => {
    const { submit, pool } = open({ decoding: new PixelBudget(64_000_000) }, 2)
    for (let i = 0; i < 16; i++) submit([pngOf(224, 224, i)]).catch(() => {})
    expect(pool.jobs).toHaveLength(2)
  })
})
