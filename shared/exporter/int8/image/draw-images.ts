import { createRandom, type Random } from '../../../lib/maths/random.ts'

const SEED = 8
/** Cells that noise has on a side, scale by scale; those that are no smaller than pixels count. */
const OCTAVES = [2, 4, 8, 16, 32, 64, 128]
const MAX_LEAVES = 90
/** Every so many images is noise alone. */
const BARE_EVERY = 4

/** Values of shape [height, width, 3], from 0 to 255. */
type Pixels = Float32Array

/**
 * Draws images that have the statistics of photographs and show nothing: noise of all scales, and leaves of it
 * that lie over each other, as in Baradad et al., 2021, https://arxiv.org/abs/2106.05963. RGB values of shape
 * [height, width, 3] each, the same on every machine.
 */
export function drawImages(count: number, width: number, height: number): Uint8Array[] {
  const random = createRandom(SEED)
  return Array.from({ length: count }, (_, i) => {
    const pixels = drawNoise(random, width, height)
    const leaves = i % BARE_EVERY === 0 ? 0 : 10 + random.below(MAX_LEAVES)
    for (let n = 0; n < leaves; n++) addLeaf(random, pixels, width, height)
    return Uint8Array.from(pixels, (value) => Math.max(0, Math.min(255, Math.round(value))))
  })
}

/** Noise whose contrast falls with its scale, the same way in all colours for the most part. */
function drawNoise(random: Random, width: number, height: number): Pixels {
  const pixels = new Float32Array(width * height * 3)
  const base = [0, 1, 2].map(() => 60 + 135 * random.next())
  const falling = 0.5 + 0.45 * random.next()
  const contrast = 40 + 90 * random.next()
  for (let i = 0; i < pixels.length; i++) pixels[i] = base[i % 3] as number
  let weight = contrast
  for (const cells of OCTAVES.filter((each) => each <= Math.max(width, height))) {
    addOctave(random, pixels, { width, height, cells, weight })
    weight *= falling
  }
  return pixels
}

function addOctave(
  random: Random,
  pixels: Pixels,
  {
    width,
    height,
    cells,
    weight,
  }: Readonly<Record<'width' | 'height' | 'cells' | 'weight', number>>,
): void {
  const side = cells + 2
  const grid = Float32Array.from({ length: side * side * 3 }, () => random.next() - 0.5)
  // Two thirds of a cell's light are common to its colours.
  for (let i = 0; i < grid.length; i += 3) {
    const common = 2 * (random.next() - 0.5)
    for (let c = 0; c < 3; c++) grid[i + c] = ((grid[i + c] as number) + common) / 1.5
  }
  for (let y = 0; y < height; y++) {
    const [row, v] = split((y * cells) / height)
    for (let x = 0; x < width; x++) {
      const [column, u] = split((x * cells) / width)
      const at = 3 * (row * side + column)
      const to = 3 * (y * width + x)
      for (let c = 0; c < 3; c++) {
        const top = mix(grid[at + c] as number, grid[at + 3 + c] as number, u)
        const below = at + 3 * side + c
        const bottom = mix(grid[below] as number, grid[below + 3] as number, u)
        pixels[to + c] = (pixels[to + c] as number) + weight * mix(top, bottom, v)
      }
    }
  }
}

/** An ellipse or a rectangle, turned, plain or of noise; small ones are the rule. */
function addLeaf(random: Random, pixels: Pixels, width: number, height: number): void {
  const extent = Math.min(width, height)
  const radius = Math.min(0.4 * extent, (0.02 * extent) / (random.next() + 0.05))
  const flat = 0.3 + 0.7 * random.next()
  const [x0, y0] = [random.next() * width, random.next() * height]
  // A direction without sines, whose last bits differ between machines.
  const [p, q] = [random.next() - 0.5, random.next() - 0.5 || 0.5]
  const norm = Math.sqrt(p * p + q * q)
  const [cosine, sine] = [p / norm, q / norm]
  const isRound = random.next() < 0.5
  const colour = [0, 1, 2].map(() => 255 * random.next())
  const texture = random.next() < 0.4 ? drawNoise(random, 32, 32) : null
  const reach = 1.5 * radius
  for (let y = Math.max(0, Math.floor(y0 - reach)); y < Math.min(height, y0 + reach); y++) {
    for (let x = Math.max(0, Math.floor(x0 - reach)); x < Math.min(width, x0 + reach); x++) {
      const u = ((x - x0) * cosine + (y - y0) * sine) / radius
      const v = ((y - y0) * cosine - (x - x0) * sine) / (radius * flat)
      const inside = isRound ? u * u + v * v < 1 : Math.abs(u) < 1 && Math.abs(v) < 1
      if (!inside) continue
      for (let c = 0; c < 3; c++) {
        const grain = texture ? (texture[3 * (32 * (y % 32) + (x % 32)) + c] as number) - 128 : 0
        pixels[3 * (y * width + x) + c] = (colour[c] as number) + 0.7 * grain
      }
    }
  }
}

function split(value: number): [number, number] {
  const whole = Math.floor(value)
  return [whole, value - whole]
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share
}
