import type { default as createSharp, OutputInfo, Sharp } from 'sharp'
import { EspalierError } from '../lib/errors.ts'
import type { ImagePreprocessing } from '../lib/image-preprocessing.ts'
import { recognizeImage } from './image-format.ts'
import { planGeometry, type Size } from './image-geometry.ts'
import { resample } from './image-resample.ts'

/** Longer than any photograph; beyond it the resized picture grows without bound. */
const MAX_ASPECT = 100
const FORMATS = 'JPEG, PNG and WebP'

/** Turns the bytes of image files into pixels as an encoder wants them. */
export interface ImageDecoder {
  /**
   * Decodes, turns upright, resizes and crops: RGB values of shape [height, width, 3]. Transparency is dropped,
   * not blended, of an animation the first frame is taken, and colour profiles are ignored, as Pillow does.
   * @throws EspalierError `invalid_image`, `unsupported_image`, `image_too_large`; messages go on from `inputs[i]`
   */
  decode(file: Uint8Array): Promise<Uint8Array>
}

/**
 * Loads sharp with all its loaders but three shut, and no cache of its own. The work is done in threads of libuv,
 * one picture in one of them.
 * @param maxPixels most pixels of a picture, checked before anything is decoded
 */
export async function openImageDecoder(
  spec: ImagePreprocessing,
  maxPixels: number,
): Promise<ImageDecoder> {
  const { default: sharp } = await import('sharp')
  sharp.cache(false)
  sharp.concurrency(1)
  sharp.block({ operation: ['VipsForeignLoad'] })
  const loaders = ['Jpeg', 'Png', 'Webp'].map((name) => `VipsForeignLoad${name}`)
  sharp.unblock({ operation: loaders })
  return { decode: (file) => decodeFile(sharp, file, spec, maxPixels) }
}

async function decodeFile(
  sharp: typeof createSharp,
  file: Uint8Array,
  spec: ImagePreprocessing,
  maxPixels: number,
): Promise<Uint8Array> {
  const format = checkFormat(file)
  const open = () => {
    return sharp(file, { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc: true })
  }
  try {
    // The header alone, so that the size is known before it is believed.
    const meta = await sharp(file, { limitInputPixels: false }).metadata()
    const size = checkSize(meta.autoOrient, maxPixels)
    const geometry = planGeometry(size, spec)
    const { resized, area } = geometry
    const { interpolation: kernel } = spec.resize
    const upright = open().autoOrient()
    if (resized.width > size.width || resized.height > size.height) {
      return resample((await readPixels(upright)).data, size, geometry, kernel)
    }
    const opaque = meta.hasAlpha ? await dropAlpha(sharp, upright, maxPixels) : upright
    const scaled = opaque
      .resize({ ...resized, fit: 'fill', kernel, fastShrinkOnLoad: false })
      .extract(area)
    return (await readPixels(scaled)).data
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]
    const message = `is a damaged or incomplete ${format} file (${reason}): send it anew`
    throw new EspalierError('invalid_image', message, { cause })
  }
}

/** Before the resize, which would weigh colours by a transparency that nobody asked for. */
async function dropAlpha(
  sharp: typeof createSharp,
  upright: Sharp,
  maxPixels: number,
): Promise<Sharp> {
  const { data, info } = await readPixels(upright)
  const { width, height, channels } = info
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: maxPixels })
}

/** RGB values of 8 bits, whatever there was. */
async function readPixels(picture: Sharp): Promise<{ data: Uint8Array; info: OutputInfo }> {
  const opaque = picture.toColourspace('srgb').removeAlpha().raw()
  const pixels = await opaque.toBuffer({ resolveWithObject: true })
  if (pixels.info.channels === 3) return pixels
  throw new Error(`${pixels.info.channels} channels`)
}

function checkFormat(file: Uint8Array): string {
  const found = recognizeImage(file)
  if (found?.supported) return found.name
  const what = found ? `${found.name}, which is not read` : 'no image that is known here'
  throw new EspalierError('unsupported_image', `is ${what}: send one of ${FORMATS}`)
}

function checkSize({ width, height }: Size, maxPixels: number): Size {
  if (width * height > maxPixels) {
    const message = `has ${width} x ${height} pixels; an image may have ${maxPixels}, send it smaller`
    throw new EspalierError('image_too_large', message)
  }
  if (Math.max(width, height) <= MAX_ASPECT * Math.min(width, height)) return { width, height }
  const message = `has ${width} x ${height} pixels; one side may be ${MAX_ASPECT} times the other`
  throw new EspalierError('invalid_image', message)
}
