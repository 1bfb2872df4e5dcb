import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { EncodedBatch, Encoder, EncoderInput } from '../../shared/encoder/types.ts'
import { type OpenEncoderDeps, openEncoder } from '../../shared/encoders/open-encoder.ts'
import { stackHeads } from '../../shared/head/columns.ts'
import { decodeHead } from '../../shared/head/decode.ts'
import type { Head } from '../../shared/head/head.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import type { Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import { decodeFloat16 } from '../../shared/lib/maths/float16.ts'
import { openModelRegistry } from '../../shared/versions/open-model-registry.ts'
import { sharedPath } from '../shared-folder.ts'
import { bundleWorker } from '../worker-bundle.ts'

const PLAIN = { truncate: true, truncationDirection: 'right', normalize: true } as const
const NO_LIMITS = { maxQueueTokens: 10_000_000, maxQueueWaitMs: 600_000, maxTextBytes: 1_000_000 }
const cacheFolder = mkdtempSync(join(tmpdir(), 'espalier-builtin-image-'))
const infra = new URL('../../infra/', import.meta.url)
const workerUrl = await bundleWorker()
const goldenSchema = z.object({
  images: z.record(z.string(), z.object({ file: z.base64() })),
  vectors: z.record(z.string(), z.object({ norm: z.number(), embedding: z.base64() })),
})
const golden = goldenSchema.parse(
  JSON.parse(readFileSync(new URL('../golden/images.json', import.meta.url), 'utf8')),
)
const images = Object.values(golden.images).map(({ file }) => Buffer.from(file, 'base64'))

afterAll(() => rmSync(cacheFolder, { recursive: true, force: true }))

function open(
  workers: number,
  { precision = 'int8', ...given }: Partial<OpenEncoderDeps> & { precision?: Precision } = {},
): Promise<Encoder> {
  return openEncoder(
    {
      builtinFolder: fileURLToPath(new URL('models', infra)),
      calibrationTexts: fileURLToPath(new URL('calibration/texts.txt', infra)),
      cacheFolder,
      threads: 2,
      workerUrl,
      workers,
      device: 'cpu',
      limits: NO_LIMITS,
      log: silentLogger,
      ...given,
    },
    { encoder: 'efficientnet-lite0', precision },
  )
}

function rowsOf({ vectors, dimension }: EncodedBatch): Float32Array[] {
  const rows = vectors.length / dimension
  return Array.from({ length: rows }, (_, i) => vectors.slice(i * dimension, (i + 1) * dimension))
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b))
}

async function readImagenet(): Promise<Head> {
  const builtinFolder = fileURLToPath(new URL('heads', infra))
  const registry = await openModelRegistry({ url: 'memory:', builtinFolder, log: silentLogger })
  const version = await registry.getVersion('imagenet', 1)
  const head = decodeHead(await registry.readFile(version, 'head.bin', { maxBytes: 1e7 }))
  await registry.close()
  return head
}

describe('the built-in image encoder', () => {
  let encoder: Encoder
  let exact: Encoder
  let head: Head
  beforeAll(async () => {
    const opened = [open(2), open(1, { precision: 'float32' }), readImagenet()] as const
    ;[encoder, exact, head] = await Promise.all(opened)
  })
  afterAll(() => Promise.all([encoder.close(), exact.close()]))

  test('says what it is; heads are good for both precisions', () => {
    expect(encoder.info).toMatchObject({
      name: 'efficientnet-lite0',
      modality: 'image',
      precision: 'int8',
      dimension: 1280,
      pooling: 'none',
    })
    expect(head.family).toBe(encoder.info.family)
    expect(exact.info).toMatchObject({ precision: 'float32', family: encoder.info.family })
    expect(exact.info.fingerprint).not.toBe(encoder.info.fingerprint)
  })

  test('runs in float32 where float16 is wanted, which it does not have', async () => {
    const other = await open(1, { precision: 'float16' })
    expect(other.info).toMatchObject({ precision: 'float32', fingerprint: exact.info.fingerprint })
    await other.close()
  })

  test.each(Object.keys(golden.vectors))(
    'gives what ONNX Runtime gives in Python: %s',
    async (name) => {
      const { embedding, norm } = golden.vectors[name]!
      const file = Buffer.from(golden.images[name]!.file, 'base64')
      const words = new Uint8Array(Buffer.from(embedding, 'base64'))
      const expected = decodeFloat16(new Uint16Array(words.buffer))
      for (const [each, least] of [
        [exact, 0.999],
        [encoder, 0.975],
      ] as const) {
        const unit = (await each.encode([file], PLAIN)).vectors
        const pooled = (await each.encode([file], { ...PLAIN, normalize: false })).vectors
        expect(cosine(unit, expected)).toBeGreaterThan(least)
        expect(Math.hypot(...unit)).toBeCloseTo(1, 5)
        expect(Math.hypot(...pooled) / norm).toBeCloseTo(1, 1)
        expect(cosine(unit, pooled)).toBeCloseTo(1, 6)
      }
    },
  )

  test('an image has the same bits alone and among others, on one worker and on two', async () => {
    const together = rowsOf(await encoder.encode(images, PLAIN))
    const single = await open(1)
    for (const [i, image] of images.entries()) {
      const [alone] = rowsOf(await encoder.encode([image], PLAIN))
      expect(alone).toEqual(together[i])
    }
    expect(rowsOf(await single.encode(images.toReversed(), PLAIN)).reverse()).toEqual(together)
    await single.close()
  })

  test('refuses texts, empty files and damaged ones, each by its place', async () => {
    const good = images[0]!
    const bad: [EncoderInput[], string, RegExp][] = [
      [[good, 'a cat'], 'wrong_modality', /^inputs\[1\] is a text; this model reads images/],
      [[new Uint8Array(0)], 'invalid_image', /^inputs\[0\] is an empty file/],
      [[good, good.subarray(0, 200)], 'invalid_image', /^inputs\[1\] is a damaged or incomplete/],
      [[good, Buffer.from('<svg/>')], 'unsupported_image', /^inputs\[1\] is SVG/],
    ]
    for (const [inputs, code, message] of bad) {
      const error = await encoder.encode(inputs, PLAIN).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    }
    expect(rowsOf(await encoder.encode([good], PLAIN))).toHaveLength(1)
  })

  test("imagenet scores as the network's own output layer on the pooled vector", async () => {
    await encoder.setProjection({ id: 1, ...stackHeads([head]), memories: [] })
    const asked = { ...PLAIN, project: true }
    const { scores } = await encoder.encode(images, asked)
    const { vectors } = await encoder.encode(images, { ...PLAIN, normalize: false })
    const { dimension, weights, bias } = head
    for (let row = 0; row < images.length; row++) {
      for (let label = 0; label < 1000; label += 37) {
        let score = bias[label]!
        for (let i = 0; i < dimension; i++) {
          score += vectors[row * dimension + i]! * weights[label * dimension + i]!
        }
        expect(scores?.[row * 1000 + label]).toBeCloseTo(score, 3)
      }
    }
    const cached = await open(1, { resultCacheBytes: 1_000_000 })
    await cached.setProjection({ id: 1, ...stackHeads([head]), memories: [] })
    const first = await cached.encode(images, asked)
    const again = await cached.encode(images, asked)
    expect(cached.load().cache?.hits).toBe(images.length)
    const differences = again.scores!.map((score, i) => Math.abs(score - first.scores![i]!))
    expect(Math.max(...differences)).toBeLessThan(1e-4)
    await cached.close()
  })

  const samples = sharedPath('data', 'images', 'imagenet-samples')
  test.skipIf(samples === null)('names at least 88 of 100 ImageNet samples', async () => {
    const files = readdirSync(samples!).sort()
    const inputs = files.map((file) => readFileSync(join(samples!, file)))
    const vectors: Float32Array[][] = []
    for (const each of [exact, encoder]) {
      await each.setProjection({ id: 2, ...stackHeads([head]), memories: [] })
      const batch = await each.encode(inputs, { ...PLAIN, project: true })
      const right = files.filter((file, row) => {
        const own = batch.scores!.subarray(row * 1000, (row + 1) * 1000)
        const label = head.labels[own.indexOf(own.reduce((a, b) => Math.max(a, b)))]!
        const name = file.split('.')[0]!.replace(/^n\d+_/, '')
        return name.replaceAll('_', ' ') === label
      })
      expect(right.length).toBeGreaterThanOrEqual(88)
      vectors.push(rowsOf(batch))
    }
    const [real = [], int8 = []] = vectors
    const cosines = real.map((row, i) => cosine(row, int8[i]!))
    expect(cosines.reduce((a, b) => a + b) / cosines.length).toBeGreaterThan(0.997)
    expect(Math.min(...cosines)).toBeGreaterThan(0.98)
  })
})

describe('many large images at once', () => {
  test('wait within a bound of bytes, and are refused beyond it', async () => {
    const encoder = await open(1, { limits: { ...NO_LIMITS, maxQueueBytes: 400_000 } })
    const colours = Array.from({ length: 80 }, (_, i) => ({ r: 3 * i, g: 90, b: 255 - i }))
    const files = await Promise.all(
      colours.map((background) =>
        sharp({ create: { width: 1600, height: 1200, channels: 3, background } })
          .jpeg()
          .toBuffer(),
      ),
    )
    const size = files[0]!.length
    const settled = await Promise.allSettled(files.map((file) => encoder.encode([file], PLAIN)))
    const refused = settled.filter((each) => each.status === 'rejected')
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'overloaded' })
    expect(settled.length - refused.length).toBeGreaterThanOrEqual(Math.floor(400_000 / size))
    expect(refused.length).toBeGreaterThan(0)
    expect(encoder.load().queuedInputs).toBe(0)
    await expect(encoder.encode([files[0]!], PLAIN)).resolves.toMatchObject({ dimension: 1280 })
    await encoder.close()
  })
})
