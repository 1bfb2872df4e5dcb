import sharp from 'sharp'
import type { LabelledTexts } from '../../../shared/finetune/types.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

const SIDE = 12
const CLASSES = 2

/** Images with their labels, as a training takes them. */
export interface ImageTask {
  readonly rows: LabelledTexts
  readonly files: readonly Uint8Array[]
}

/** Noise with a tint, reddish in one class and bluish in the other; PNG. */
export async function drawTints(count: number, seed: number): Promise<ImageTask> {
  const random = createRandom(seed)
  const targets = new Float32Array(count * CLASSES)
  const files: Uint8Array[] = []
  for (let row = 0; row < count; row++) {
    const blue = row % CLASSES
    targets[row * CLASSES + blue] = 1
    const pixels = Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, at) => {
      const tint = at % 3 === (blue ? 2 : 0) ? 40 : 0
      return tint + random.below(216)
    })
    const raw = { width: SIDE, height: SIDE, channels: 3 } as const
    files.push(await sharp(pixels, { raw }).png().toBuffer())
  }
  const texts = files.map((_, row) => `tints/${row}.png`)
  return { rows: { texts, targets, classes: CLASSES }, files }
}
