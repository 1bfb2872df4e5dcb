import type { default as createSharp, OutputInfo, Sharp } from 'sharp'
import { EspalierError } from '../../lib/errors.ts'
import type { ImageCheck, ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'
import { createResample, planGeometry, type Resample, type Size } from './image-resample.ts'
import { isOverwritten } from './jpeg-blanks.ts'

/** Longer than any photograph; beyond it the resized image grows without bound. */
const MAX_ASPECT = 100
const FORMATS = 'JPEG, PNG and WebP'
/** 1920 x 1080 and a little more: as far as an image is decoded whole, in 6 MB, and resized here. */
const MAX_WHOLE_PIXELS = 2 ** 21

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
 * one image in one of them.
 * @param maxPixels most pixels of an image, checked before anything is decoded
 * @param check whether JPEGs that end early or are damaged inside are refused
 */
export async function openImageDecoder(
  spec: ImagePreprocessing,
  maxPixels: number,
  check: ImageCheck = 'strict',
): Promise<ImageDecoder> {
  const { default: sharp } = await import('sharp')
  sharp.cache(false)
  sharp.concurrency(1)
  sharp.block({ operation: ['VipsForeignLoad'] })
  const loaders = ['Jpeg', 'Png', 'Webp'].map((name) => `VipsForeignLoad${name}`)
  sharp.unblock({ operation: loaders })
  const resample = createResample(spec.resize.interpolation)
  // What libjpeg only warns of is an early end, or data that means nothing: it goes on with grey.
  const failOn = check === 'strict' ? 'warning' : 'error'
  return { decode: (file) => decodeFile(file, { sharp, spec, maxPixels, resample, failOn }) }
}

interface Parts {
  readonly sharp: typeof createSharp
  readonly spec: ImagePreprocessing
  readonly maxPixels: number
  readonly resample: Resample
  readonly failOn: 'warning' | 'error'
}

async function decodeFile(file: Uint8Array, parts: Parts): Promise<Uint8Array> {
  const format = checkFormat(file)
  try {
    if (format === 'JPEG' && parts.failOn === 'warning') {
      const isBlank = await isOverwritten(parts.sharp, file, parts.maxPixels)
      if (isBlank) throw new Error('part of it was overwritten')
    }
    return (await decodeWhole(file, parts)) ?? (await decodeStepwise(file, parts))
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]
    const message = `is a damaged or incomplete ${format} file (${reason}): send it anew`
    throw new EspalierError('invalid_image', message, { cause })
  }
}

/** The way of most images: null where one is too large for it, or damaged, which the other way looks into. */
async function decodeWhole(
  file: Uint8Array,
  { sharp, spec, maxPixels, resample, failOn }: Parts,
): Promise<Uint8Array | null> {
  const limitInputPixels = Math.min(maxPixels, MAX_WHOLE_PIXELS)
  const image = sharp(file, { failOn, limitInputPixels, ignoreIcc: true }).autoOrient()
  const whole = await readPixels(image).catch(() => null)
  if (!whole) return null
  const size = checkSize(whole.info, maxPixels)
  return resample(whole.data, size, planGeometry(size, spec))
}

/** Reads the header first, so that the size is known before it is believed; libvips resizes while it decodes. */
async function decodeStepwise(
  file: Uint8Array,
  { sharp, spec, maxPixels, resample, failOn }: Parts,
): Promise<Uint8Array> {
  const meta = await sharp(file, { limitInputPixels: false }).metadata()
  const size = checkSize(meta.autoOrient, maxPixels)
  const geometry = planGeometry(size, spec)
  const { resized, area } = geometry
  const limitInputPixels = maxPixels
  const upright = sharp(file, { failOn, limitInputPixels, ignoreIcc: true }).autoOrient()
  if (resized.width > size.width || resized.height > size.height) {
    return resample((await readPixels(upright)).data, size, geometry)
  }
  const opaque = meta.hasAlpha ? await dropAlpha(sharp, upright, maxPixels) : upright
  const { interpolation: kernel } = spec.resize
  const scaled = opaque
    .resize({ ...resized, fit: 'fill', kernel, fastShrinkOnLoad: false })
    .extract(area)
  return (await readPixels(scaled)).data
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
async function readPixels(image: Sharp): Promise<{ data: Uint8Array; info: OutputInfo }> {
  const opaque = image.toColourspace('srgb').removeAlpha().raw()
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

/** A format by its first bytes; `name` is what people call it. */
interface Signature {
  readonly name: string
  readonly at: number
  readonly bytes: string
}

const SUPPORTED: readonly Signature[] = [
  { name: 'JPEG', at: 0, bytes: '\xff\xd8\xff' },
  { name: 'PNG', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
  { name: 'WebP', at: 8, bytes: 'WEBP' },
]
const OTHERS: readonly Signature[] = [
  { name: 'GIF', at: 0, bytes: 'GIF8' },
  { name: 'TIFF', at: 0, bytes: 'II*\0' },
  { name: 'TIFF', at: 0, bytes: 'MM\0*' },
  { name: 'BMP', at: 0, bytes: 'BM' },
  { name: 'AVIF', at: 4, bytes: 'ftypavif' },
  { name: 'HEIF', at: 4, bytes: 'ftyp' },
  { name: 'JPEG XL', at: 0, bytes: '\xff\n' },
  { name: 'JPEG XL', at: 4, bytes: 'JXL ' },
  { name: 'PDF', at: 0, bytes: '%PDF' },
  { name: 'SVG or other XML', at: 0, bytes: '<' },
  { name: 'SVG or other XML', at: 0, bytes: '\xef\xbb\xbf<' },
]
/** All signatures lie within these first bytes. */
const LOOK_BYTES = 16

/** What a file is by its first bytes, whatever it is called; null where nothing fits. */
export function recognizeImage(file: Uint8Array): { name: string; supported: boolean } | null {
  const start = Buffer.from(file.subarray(0, LOOK_BYTES)).toString('latin1')
  const fits = ({ at, bytes }: Signature) => start.startsWith(bytes, at)
  const supported = SUPPORTED.find(fits)
  if (supported) return { name: supported.name, supported: true }
  const other = OTHERS.find(fits)
  return other ? { name: other.name, supported: false } : null
}

/** Makes a small image of an image file: a data URI of WebP, 96 x 96 pixels, some 2 KB. */
export type Thumbnailer = (file: Uint8Array) => Promise<string>

const SIDE = 96
const QUALITY = 60

/**
 * Loads sharp with all its loaders but three shut.
 * @param maxPixels most pixels of an image
 */
export async function openThumbnailer(maxPixels: number): Promise<Thumbnailer> {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: ['Jpeg', 'Png', 'Webp'].map((name) => `VipsForeignLoad${name}`) })
  return async (file) => {
    const webp = await sharp(file, { failOn: 'error', limitInputPixels: maxPixels })
      .autoOrient()
      .resize(SIDE, SIDE, { fit: 'cover' })
      .webp({ quality: QUALITY })
      .toBuffer()
    return `data:image/webp;base64,${webp.toString('base64')}`
  }
}
