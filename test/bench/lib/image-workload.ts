import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const IMAGES = 60
const SIDES = { width: 500, height: 375 }
const LARGE = { width: 4000, height: 3000 }

/** Images to encode. */
export interface ImageWorkload {
  readonly folder: string
  /** A JPEG of 12 megapixels. */
  readonly large: string
  readonly what: string
}

/**
 * The ImageNet samples where they are at hand, else drawn ones of the same size.
 * @param scratch folder for what is drawn
 */
export async function prepareImages(root: string, scratch: string): Promise<ImageWorkload> {
  const large = join(scratch, 'large.jpg')
  await writeFile(large, await draw(LARGE, 1, 80))
  const samples = join(root, '..', 'shared', 'data', 'images', 'imagenet-samples')
  if (existsSync(samples)) return { folder: samples, large, what: '100 ImageNet photos' }
  const folder = join(scratch, 'images')
  await mkdir(folder)
  for (let i = 0; i < IMAGES; i++) {
    await writeFile(join(folder, `${100 + i}.jpg`), await draw(SIDES, i, 90))
  }
  return { folder, large, what: `${IMAGES} drawn images of 500 x 375` }
}

/** Coarse noise made smooth, with fine noise over it: compresses about as a photo does. */
async function draw(size: typeof SIDES, seed: number, quality: number): Promise<Buffer> {
  const random = createRandom(seed)
  const coarse = Buffer.from(Array.from({ length: 16 * 12 * 3 }, () => random.below(256)))
  const base = sharp(coarse, { raw: { width: 16, height: 12, channels: 3 } })
  const smooth = await base
    .resize({ ...size, fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer()
  for (let i = 0; i < smooth.length; i++) {
    smooth[i] = Math.max(0, Math.min(255, (smooth[i] as number) + random.below(13) - 6))
  }
  return sharp(smooth, { raw: { ...size, channels: 3 } })
    .jpeg({ quality })
    .toBuffer()
}
