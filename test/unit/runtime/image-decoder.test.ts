import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ImagePreprocessing } from '../../../shared/lib/manifests/image-preprocessing.ts'
import { type ImageDecoder, openImageDecoder } from '../../../shared/runtime/image/image-decoder.ts'
import { createResample, planGeometry } from '../../../shared/runtime/image/image-resample.ts'
import { createTensorFiller } from '../../../shared/runtime/image/image-tensor.ts'
import { sharedPath } from '../../shared-folder.ts'

const MAX_PIXELS = 1_000_000
/** Mean |Δ| of values from 0 to 255 that two implementations of one rule may differ by. */
const MAX_MEAN_DIFFERENCE = 0.5

const goldenSchema = z.object({
  rules: z.record(
    z.string(),
    z.object({
      rule: z.enum(['shortest-edge', 'exact']),
      size: z.number(),
      interpolation: z.enum(['cubic', 'linear', 'lanczos3']),
      crop: z.enum(['center', 'none']),
      width: z.number(),
      height: z.number(),
    }),
  ),
  images: z.record(
    z.string(),
    z.object({ file: z.string(), expected: z.record(z.string(), z.string()) }),
  ),
})
const golden = goldenSchema.parse(
  JSON.parse(readFileSync(new URL('../../golden/images.json', import.meta.url), 'utf8')),
)
const photosSchema = z.object({ every: z.number(), photos: z.record(z.string(), z.base64()) })
const photos = photosSchema.parse(
  JSON.parse(readFileSync(new URL('../../golden/photos.json', import.meta.url), 'utf8')),
)
const bytes = (base64: string) => Buffer.from(base64, 'base64')
/** The rule of the built-in encoder. */
const BUILT_IN = specOf({
  rule: 'shortest-edge',
  size: 256,
  interpolation: 'cubic',
  crop: 'center',
  width: 224,
  height: 224,
})

function specOf(rule: (typeof golden.rules)[string]): ImagePreprocessing {
  const { width, height, crop, ...resize } = rule
  const plain = { channels: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const
  return { width, height, crop, resize, ...plain, mean: [0, 0, 0], std: [1, 1, 1] }
}

function open(rule = 'crop'): Promise<ImageDecoder> {
  return openImageDecoder(specOf(golden.rules[rule]!), MAX_PIXELS)
}

describe('prepares images as Pillow does under the same rule', () => {
  const cases = Object.keys(golden.rules).flatMap((rule) =>
    Object.keys(golden.images).map((image) => ({ rule, image })),
  )
  test.each(cases)('$image, $rule', async ({ rule, image }) => {
    const { file, expected } = golden.images[image]!
    const wanted = bytes(expected[rule]!)
    const found = await (await open(rule)).decode(bytes(file))
    const difference = meanDifference(found, wanted)
    // Decoders of JPEG may differ by a rounding; the resize may not.
    if (image.includes('jpeg')) expect(difference).toBeLessThan(MAX_MEAN_DIFFERENCE)
    else expect(difference).toBe(0)
  })

  const samples = sharedPath('data', 'images', 'imagenet-samples')
  test.skipIf(samples === null)('photographs, within a tenth of 255', async () => {
    const decoder = await openImageDecoder(BUILT_IN, MAX_PIXELS)
    for (const [name, values] of Object.entries(photos.photos)) {
      const found = await decoder.decode(readFileSync(join(samples!, name)))
      const sampled = found.filter((_, i) => i % photos.every === 0)
      expect(meanDifference(sampled, bytes(values)), name).toBeLessThan(0.1)
    }
  })

  test('also those that are too large to be decoded whole', async () => {
    const [width, height] = [1800, 1200]
    const slope = Buffer.alloc(width * height * 3)
    for (let i = 0; i < slope.length; i++) {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
      slope[i] = 127.5 + 127.5 * Math.cos((x + (i % 3) * y) / 40)
    }
    const raw = { raw: { width, height, channels: 3 } } as const
    const large = await sharp(slope, raw).png({ compressionLevel: 1 }).toBuffer()
    const decoder = await openImageDecoder(BUILT_IN, 3_000_000)
    const found = await decoder.decode(large)
    const size = { width, height }
    const wanted = createResample('cubic')(slope, size, planGeometry(size, BUILT_IN))
    expect(meanDifference(found, wanted)).toBeLessThan(MAX_MEAN_DIFFERENCE)
  })
})

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a).toHaveLength(b.length)
  return a.reduce((total, value, i) => total + Math.abs(value - b[i]!), 0) / b.length
}

describe('images of other kinds', () => {
  const colour = { width: 40, height: 30, background: { r: 200, g: 100, b: 50 } }
  const plain = (channels: 3 | 4) => sharp({ create: { ...colour, channels } })

  test('CMYK and 16 bits become three channels of 8 bits', async () => {
    const decoder = await open()
    const cmyk = await plain(3).toColourspace('cmyk').jpeg().toBuffer()
    const deep = await plain(3).toColourspace('rgb16').png().toBuffer()
    expect(await decoder.decode(cmyk)).toHaveLength(32 * 32 * 3)
    const [red, green, blue] = await decoder.decode(deep)
    expect([red, green, blue]).toEqual([200, 100, 50])
  })

  test('transparency is dropped, not blended', async () => {
    const hidden = { r: 10, g: 200, b: 30, alpha: 0 }
    const file = await sharp({ create: { ...colour, channels: 4, background: hidden } })
      .png()
      .toBuffer()
    const pixels = await (await open()).decode(file)
    expect([...pixels.subarray(0, 3)]).toEqual([10, 200, 30])
  })

  test('of an animated WebP the first frame is taken', async () => {
    const frames = await Promise.all(
      ['#c03020', '#2030c0'].map((background) =>
        sharp({ create: { ...colour, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    )
    const file = await sharp(frames, { join: { animated: true } })
      .webp({ lossless: true })
      .toBuffer()
    expect((await sharp(file).metadata()).pages).toBe(2)
    const pixels = await (await open()).decode(file)
    expect([...pixels.subarray(0, 3)]).toEqual([0xc0, 0x30, 0x20])
  })

  test('a file is what its first bytes say', async () => {
    const png = await plain(3).png().toBuffer()
    const jpeg = await plain(3).jpeg({ quality: 100 }).toBuffer()
    const decoder = await open()
    const [a, b] = [await decoder.decode(png), await decoder.decode(jpeg)]
    expect(Math.abs(a[0]! - b[0]!)).toBeLessThan(3)
  })
})

describe('a JPEG that is damaged inside', () => {
  /** Pixels that no two rows share, so that what is missing is seen. */
  const draw = (width: number, height: number) => {
    const noise = Buffer.alloc(width * height * 3)
    for (let i = 0; i < noise.length; i++) noise[i] = (i * 2_654_435_761) >>> 24
    return sharp(noise, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 90 })
      .toBuffer()
  }
  const END = Buffer.of(0xff, 0xd9)
  const cut = (file: Buffer) => Buffer.concat([file.subarray(0, file.length / 2), END])
  const blank = (file: Buffer) => {
    const half = Buffer.from(file).fill(0, file.length / 2)
    return Buffer.concat([half, END])
  }
  /** The size in the frame's header, where the data has but a few blocks. */
  const claim = (file: Buffer) => {
    const larger = Buffer.from(file)
    const frame = larger.indexOf(Buffer.of(0xff, 0xc0))
    larger.writeUInt16BE(900, frame + 5)
    larger.writeUInt16BE(900, frame + 7)
    return larger
  }
  const kinds = {
    'cut before its end mark': cut,
    'half blank': blank,
    'too small for its size': claim,
  }

  test.each(Object.entries(kinds))('%s is refused, unless that is asked for', async (_, damage) => {
    const file = damage(await draw(120, 90))
    const spec = specOf(golden.rules.crop!)
    const strict = await openImageDecoder(spec, MAX_PIXELS)
    await expect(strict.decode(file)).rejects.toMatchObject({ code: 'invalid_image' })
    const lenient = await openImageDecoder(spec, MAX_PIXELS, 'lenient')
    expect(await lenient.decode(file)).toHaveLength(32 * 32 * 3)
  })

  test('is not one with bytes behind its end', async () => {
    const file = Buffer.concat([await draw(120, 90), Buffer.alloc(100, 7)])
    expect(await (await open()).decode(file)).toHaveLength(32 * 32 * 3)
  })

  const photographs = sharedPath('data', 'images')
  test.skipIf(photographs === null)('is none of many photographs', async () => {
    const names = readdirSync(photographs!, { recursive: true, encoding: 'utf8' }).sort()
    const files = names.filter((name) => /\.jpe?g$/i.test(name))
    const decoder = await openImageDecoder(BUILT_IN, 50_000_000)
    const some = files.filter((_, at) => at % 40 === 0)
    expect(some.length).toBeGreaterThan(100)
    for (const name of some) {
      await expect(
        decoder.decode(readFileSync(join(photographs!, name))),
        name,
      ).resolves.toBeDefined()
    }
  })
})

describe('refuses', () => {
  const jpeg = bytes(golden.images.jpeg!.file)
  const png = bytes(golden.images.png!.file)
  const webp = bytes(golden.images.webp!.file)
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>'
  const strip = () =>
    sharp({ create: { width: 5000, height: 4, channels: 3, background: '#000' } })
      .png()
      .toBuffer()
  const gif = () => sharp(png).gif().toBuffer()
  const tiff = () => sharp(png).tiff().toBuffer()
  const flip = (file: Buffer) => Buffer.from(file.map((byte, at) => (at > 60 ? byte ^ 0x5a : byte)))

  test.each<[string, () => Promise<Buffer> | Buffer, string, RegExp]>([
    ['a cut JPEG', () => jpeg.subarray(0, jpeg.length / 2), 'invalid_image', /incomplete JPEG/],
    ['a cut PNG', () => png.subarray(0, png.length - 40), 'invalid_image', /incomplete PNG/],
    ['a cut WebP', () => webp.subarray(0, webp.length / 2), 'invalid_image', /incomplete WebP/],
    ['a header alone', () => png.subarray(0, 40), 'invalid_image', /PNG/],
    ['a damaged PNG', () => flip(png), 'invalid_image', /PNG/],
    ['a bomb', () => drawBomb(16_000), 'image_too_large', /16000 x 16000 pixels.* 1000000/],
    ['a strip', strip, 'invalid_image', /5000 x 4 .* 100 times/],
    ['SVG', () => Buffer.from(svg), 'unsupported_image', /SVG or other XML/],
    ['GIF', gif, 'unsupported_image', /GIF.*JPEG, PNG and WebP/],
    ['TIFF', tiff, 'unsupported_image', /TIFF/],
    ['a text', () => Buffer.from('a photo of a cat'), 'unsupported_image', /no image/],
    ['one byte', () => Buffer.of(255), 'unsupported_image', /no image/],
  ])('%s', async (_, make, code, message) => {
    const decoder = await open()
    const error = await decoder.decode(await make()).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('and decodes the next one as ever', async () => {
    const decoder = await open()
    await expect(decoder.decode(png.subarray(0, 90))).rejects.toThrow()
    await expect(decoder.decode(png)).resolves.toHaveLength(32 * 32 * 3)
  })
})

test('values reach the network by channel, in the order and scale that it wants', () => {
  const spec = specOf({ ...golden.rules.exact!, width: 2, height: 1 })
  const rgb = Uint8Array.of(0, 128, 255, 10, 20, 30)
  const plain = createTensorFiller({ ...spec, scale: 1 / 255, mean: [0, 0, 0.5], std: [1, 1, 0.5] })
  const expected = [0, 10 / 255, 128 / 255, 20 / 255, 1, (30 / 255 - 0.5) / 0.5]
  for (const [i, value] of plain(rgb).entries()) expect(value).toBeCloseTo(expected[i]!, 6)
  const caffe = createTensorFiller({ ...spec, channels: 'bgr', mean: [104, 117, 123] })
  expect([...caffe(rgb)]).toEqual([255 - 104, 30 - 104, 128 - 117, 20 - 117, 0 - 123, 10 - 123])
})

/** A PNG of side × side black pixels of one bit each: 32 MB for 16,000 in some 30 KB. */
function drawBomb(side: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const rows = deflateSync(Buffer.alloc(side * (1 + side / 8)))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  const chunks = [chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([signature, ...chunks])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
