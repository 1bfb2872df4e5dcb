import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { createRandom } from '../../shared/lib/maths/random.ts'

/** What is drawn; each is a folder of the data set. */
export const SHAPES = ['bar', 'circle', 'square'] as const
const SIDE = 48

/** A coloured shape on a coloured ground, its place and colours drawn by the seed; JPEG. */
export async function drawShape(shape: (typeof SHAPES)[number], seed: number): Promise<Buffer> {
  const random = createRandom(1 + seed)
  const [x, y] = [16 + 16 * random.next(), 16 + 16 * random.next()]
  const colours = Array.from({ length: 3 }, () => 170 + 80 * random.next())
  const ground = Array.from({ length: 3 }, () => 70 * random.next())
  const pixels = new Uint8Array(SIDE * SIDE * 3)
  for (let at = 0; at < SIDE * SIDE; at++) {
    const [dx, dy] = [(at % SIDE) - x, Math.floor(at / SIDE) - y]
    const inside = {
      bar: Math.abs(dx) < 3 && Math.abs(dy) < 16,
      circle: Math.hypot(dx, dy) < 12,
      square: Math.abs(dx) < 11 && Math.abs(dy) < 11,
    }[shape]
    pixels.set(inside ? colours : ground, 3 * at)
  }
  return sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .jpeg({ quality: 92 })
    .toBuffer()
}

/** Writes a folder with a folder of images for each shape. */
export async function writeShapes(folder: string, perShape: number, seed: number): Promise<void> {
  for (const [at, shape] of SHAPES.entries()) {
    await mkdir(join(folder, shape), { recursive: true })
    for (let i = 0; i < perShape; i++) {
      const bytes = await drawShape(shape, seed + 1000 * at + i)
      await writeFile(join(folder, shape, `${i}.jpg`), bytes)
    }
  }
}
