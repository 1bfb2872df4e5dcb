import { join } from 'node:path'
import sharp from 'sharp'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import {
  type ImageEncoderManifest,
  type Precision,
  precisionSchema,
} from '../../lib/manifests/encoder-manifest.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { option, say } from '../../lib/wording.ts'
import { createEngine, goldenJob } from '../../runtime/open-engine.ts'
import { fromWireError } from '../../runtime/protocol.ts'
import { readJsonFile } from '../source/json-file.ts'

const VECTOR_DIGITS = 6
/**
 * Cosine that a load must reach: instruction sets resize a few values differently by one of 255, beside what
 * rounding does inside the network. In int8 such values tip steps all the way up: 1 % of them cost up to 0.011.
 */
const MIN_COSINE = { float32: 0.9999, float16: 0.999, int8: 0.98 } as const
/** Below this cosine to float32 a quantised graph is of no use. */
const MIN_INT8_COSINE = 0.9

const goldenSchema = z.object({
  golden: z.array(
    z.object({
      image: z.base64(),
      vectors: z.partialRecord(precisionSchema, z.array(z.number())),
    }),
  ),
})

/** Vectors that ship with a folder (`golden.json`), or null. */
export async function readImageGolden(
  folder: string,
): Promise<ImageEncoderManifest['golden'] | null> {
  return (await readJsonFile(join(folder, 'golden.json'), goldenSchema))?.golden ?? null
}

/** The tolerances that go into a manifest. */
export function minImageCosines(
  precisions: readonly Precision[],
): ImageEncoderManifest['minCosine'] {
  return Object.fromEntries(precisions.map((precision) => [precision, MIN_COSINE[precision]]))
}

/**
 * Runs the freshly exported graphs on images of our own and returns what they gave.
 * @throws EspalierError `self_test_failed` for a network that gives no numbers, or other ones in int8
 */
export async function measureImageGolden(
  folder: string,
  manifest: ImageEncoderManifest,
): Promise<ImageEncoderManifest['golden']> {
  const images = await drawImages()
  const golden = images.map((image) => ({
    image: image.toString('base64'),
    vectors: {} as GoldenVectors,
  }))
  for (const precision of Object.keys(manifest.graphs) as Precision[]) {
    const vectors = await encodeGolden(folder, manifest, precision, images)
    for (const [i, entry] of golden.entries()) {
      const row = vectors.subarray(i * manifest.dimension, (i + 1) * manifest.dimension)
      if (!row.every(Number.isFinite)) {
        throw new EspalierError('self_test_failed', `${manifest.name}: the network gives NaN`)
      }
      entry.vectors[precision] = Array.from(row, (value) =>
        Number(value.toPrecision(VECTOR_DIGITS)),
      )
    }
  }
  for (const { vectors } of golden) checkAgreement(manifest.name, vectors)
  return golden
}

type GoldenVectors = Partial<Record<Precision, number[]>>

async function encodeGolden(
  artifactDir: string,
  manifest: ImageEncoderManifest,
  precision: Precision,
  images: readonly Uint8Array[],
): Promise<Float32Array> {
  const engine = await createEngine({ artifactDir, manifest, precision, device: 'cpu' })
  try {
    const { vectors, failures } = await engine.run(goldenJob(images))
    if (failures[0]) throw fromWireError(failures[0].error)
    return vectors
  } finally {
    await engine.release()
  }
}

function checkAgreement(name: string, { float32, int8 }: GoldenVectors): void {
  if (!float32 || !int8) return
  const cosine = float32.reduce((sum, value, i) => sum + value * (int8[i] as number), 0)
  // An image of which the network leaves nothing has no direction to keep.
  if (cosine >= MIN_INT8_COSINE || float32.every((value) => value === 0)) return
  throw new EspalierError(
    'self_test_failed',
    say`${name}: int8 moves an image to cosine ${cosine.toFixed(3)} of float32; calibrate on images like yours with ${option('calibration', 'FOLDER')}, or export float32 only`,
  )
}

/** Images to make smaller and larger, wide, high and square: a slope in steps, blocks by chance, and rings. */
function drawImages(): Promise<Buffer[]> {
  const random = createRandom(8)
  const blocks = Array.from({ length: 8 * 12 * 3 }, () => random.below(256))
  return Promise.all([
    draw(400, 300, (x, y) => {
      const [column, row] = [Math.floor(x / 8), Math.floor(y / 8)]
      return [column * 5, row * 6, 255 - 2 * (column + row)]
    }),
    draw(64, 96, (x, y) => {
      const at = 3 * (8 * Math.floor(y / 8) + Math.floor(x / 8))
      return blocks.slice(at, at + 3)
    }),
    draw(80, 80, (x, y) => {
      const wave = 127.5 + 127.5 * Math.cos(Math.hypot(x - 40, y - 40) / 3)
      return [wave, 255 - wave, 128]
    }),
  ])
}

function draw(
  width: number,
  height: number,
  colour: (x: number, y: number) => readonly number[],
): Promise<Buffer> {
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels.set(colour(x, y).map(Math.round), 3 * (y * width + x))
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer()
}
