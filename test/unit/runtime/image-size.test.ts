import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readImageSize } from '../../../shared/runtime/image/image-size.ts'

const image = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp({ create: { width, height, channels, background: { r: 9, g: 99, b: 199, alpha: 0.5 } } })

describe('readImageSize', () => {
  it.each([
    ['JPEG', image(301, 207).jpeg()],
    ['progressive JPEG', image(301, 207).jpeg({ progressive: true })],
    ['JPEG with EXIF and a profile', image(301, 207).withExif({}).withMetadata().jpeg()],
    ['JPEG on its side', image(301, 207).withMetadata({ orientation: 6 }).jpeg()],
    ['PNG', image(301, 207).png()],
    ['palette PNG', image(301, 207).png({ palette: true })],
    ['WebP', image(301, 207).webp()],
    ['lossless WebP', image(301, 207).webp({ lossless: true })],
    ['WebP with alpha', image(301, 207, 4).webp()],
    ['WebP with metadata', image(301, 207).withMetadata().webp()],
  ])('reads %s', async (_what, made) => {
    expect(readImageSize(await made.toBuffer())).toEqual({ width: 301, height: 207 })
  })

  it('reads the largest', async () => {
    const file = await image(7_000, 7_000).webp({ lossless: true, effort: 0 }).toBuffer()
    expect(readImageSize(file)).toEqual({ width: 7_000, height: 7_000 })
  })

  it('agrees with the decoder on what lies between the segments of a JPEG', async () => {
    const file = await image(40, 30).jpeg().toBuffer()
    const at = file.indexOf(Buffer.from([0xff, 0xc0]))
    const stuffed = Buffer.concat([
      file.subarray(0, at),
      Buffer.from([0xff, 0xff]),
      file.subarray(at),
    ])
    expect(readImageSize(stuffed)).toEqual({ width: 40, height: 30 })
    const { width, height } = await sharp(stuffed).metadata()
    expect({ width, height }).toEqual({ width: 40, height: 30 })
  })

  it('reads nothing of what is no image, or ends before its size', async () => {
    const files = await Promise.all(
      [image(9, 9).jpeg(), image(9, 9).png(), image(9, 9).webp()].map((made) => made.toBuffer()),
    )
    for (const file of files) expect(readImageSize(file.subarray(0, 12))).toBeNull()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...files), (noise, file) => {
        readImageSize(noise)
        const cut = file.subarray(0, noise[0] ?? 0)
        for (const [i, byte] of noise.entries()) cut[i % (cut.length || 1)] = byte
        readImageSize(cut)
      }),
    )
  })
})
