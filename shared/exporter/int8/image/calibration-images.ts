import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError, restate } from '../../../lib/errors.ts'
import type { ImagePreprocessing } from '../../../lib/manifests/image-preprocessing.ts'
import { openImageDecoder } from '../../../runtime/image/image-decoder.ts'
import { createTensorFiller } from '../../../runtime/image/image-tensor.ts'
import { drawImages } from './draw-images.ts'

/** Some dozens of images settle ranges and roundings; more only take longer. */
const MAX_IMAGES = 96
const MIN_IMAGES = 20
/** Entries of a folder that are looked at. */
const MAX_ENTRIES = 100_000
const MAX_FILE_BYTES = 64 * 1024 * 1024
const MAX_PIXELS = 100_000_000
const EXTENSION = /\.(?:jpe?g|png|webp)$/i

/** Images to calibrate on, decoded, with the sha256 that names them. */
export interface CalibrationImages {
  readonly sha256: string
  readonly count: number
  /** The network's input for one of them, shape [3, height, width]. */
  pixels(index: number): Float32Array
}

/** Images drawn for the purpose, which stand in for photographs where there are none. */
export function drawCalibrationImages(preprocessing: ImagePreprocessing): CalibrationImages {
  const { width, height } = preprocessing
  return collect(drawImages(MAX_IMAGES, width, height), preprocessing)
}

/**
 * Reads the images of a folder and the folders in it; of many an even sample is taken.
 * @throws EspalierError `invalid_data` for too few, or one that cannot be read
 */
export async function readCalibrationImages(
  folder: string,
  preprocessing: ImagePreprocessing,
): Promise<CalibrationImages> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new EspalierError('invalid_data', `${folder}: no such folder`)
  }
  const files = (await listFiles(folder)).sort()
  if (files.length < MIN_IMAGES) {
    const found = `${files.length} ${files.length === 1 ? 'image' : 'images'}`
    const message = `${folder}: ${found} (JPEG, PNG, WebP); at least ${MIN_IMAGES} are needed`
    throw new EspalierError('invalid_data', message)
  }
  const stride = Math.max(1, files.length / MAX_IMAGES)
  const count = Math.min(files.length, MAX_IMAGES)
  const decoder = await openImageDecoder(preprocessing, MAX_PIXELS)
  const images: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const path = files[Math.floor(i * stride)] as string
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) {
      const message = `${path}: ${size} bytes; an image to calibrate on has at most ${MAX_FILE_BYTES}`
      throw new EspalierError('invalid_data', message)
    }
    try {
      images.push(await decoder.decode(await readFile(path)))
    } catch (cause) {
      if (!(cause instanceof EspalierError)) throw cause
      throw restate(cause, { code: 'invalid_data', index: i, place: { source: path } })
    }
  }
  return collect(images, preprocessing)
}

async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = []
  const folders = [folder]
  let seen = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      if (++seen > MAX_ENTRIES) {
        throw new EspalierError('invalid_data', `${folder}: more than ${MAX_ENTRIES} files`)
      }
      const path = join(next, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile() && EXTENSION.test(entry.name)) files.push(path)
    }
  }
  return files
}

function collect(
  images: readonly Uint8Array[],
  preprocessing: ImagePreprocessing,
): CalibrationImages {
  const hash = createHash('sha256')
  for (const image of images) hash.update(image)
  const fill = createTensorFiller(preprocessing)
  return {
    sha256: hash.digest('hex'),
    count: images.length,
    pixels: (index) => fill(images[index] as Uint8Array),
  }
}
