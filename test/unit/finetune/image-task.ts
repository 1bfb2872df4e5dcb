import sharp from 'sharp'
import type { LabelledTexts } from '../../../shared/finetune/fine-tune-types.ts'
import { createRandom } from '../../../shared/lib/random.ts'

const SIDE = 12
const CLASSES = 2

/** Pictures with their labels, as a training takes them. */
export interface ImageTask {
  readonly rows: LabelledTexts
  readonly files: readonly Uint8Array[]
}

/** Stripes of two colours by chance, lying in one class and upright in the other; PNG. */
export async function drawStripes(count: number, seed: number): Promise<ImageTask> {
  const random = createRandom(seed)
  const targets = new Float32Array(count * CLASSES)
  const files: Uint8Array[] = []
  for (let row = 0; row < count; row++) {
    const upright = row % CLASSES
    targets[row * CLASSES + upright] = 1
    const [width, shift] = [2 + random.below(2), random.below(6)]
    const colours = [0, 1].map(() => [0, 1, 2].map(() => random.below(256)))
    const pixels = Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, at) => {
      const pixel = Math.floor(at / 3)
      const place = upright ? pixel % SIDE : Math.floor(pixel / SIDE)
      return (colours[Math.floor((place + shift) / width) % 2] as number[])[at % 3] as number
    })
    const raw = { width: SIDE, height: SIDE, channels: 3 } as const
    files.push(await sharp(pixels, { raw }).png().toBuffer())
  }
  const texts = files.map((_, row) => `stripes/${row}.png`)
  return { rows: { texts, targets, classes: CLASSES }, files }
}
