import type { ImagePreprocessing } from '../lib/image-preprocessing.ts'
import type { Geometry, Size } from './image-geometry.ts'

type Interpolation = ImagePreprocessing['resize']['interpolation']

const CHANNELS = 3

interface Filter {
  /** Half its width in pixels of the smaller picture. */
  readonly support: number
  weigh(x: number): number
}

const FILTERS: Readonly<Record<Interpolation, Filter>> = {
  linear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  cubic: { support: 2, weigh: (x) => weighCubic(Math.abs(x)) },
  lanczos3: { support: 3, weigh: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
}

/** What each pixel of a line is made of: `count` pixels of the source from `first` on. */
interface Taps {
  readonly first: number
  readonly weights: Float64Array
}

/**
 * Resizes and crops pixels [height, width, 3] as Pillow does: a separable filter, widened where it makes smaller,
 * rounded to 8 bits between the axes. Only what the area needs is computed. libvips is faster, but it enlarges
 * from another centre of the pixels.
 */
export function resample(
  pixels: Uint8Array,
  source: Size,
  { resized, area }: Geometry,
  interpolation: Interpolation,
): Uint8Array {
  const filter = FILTERS[interpolation]
  const columns = planTaps(source.width, resized.width, area.left, area.width, filter)
  const rows = planTaps(source.height, resized.height, area.top, area.height, filter)
  const narrow = new Uint8ClampedArray(source.height * area.width * CHANNELS)
  columns.forEach(({ first, weights }, x) => {
    for (let y = 0; y < source.height; y++) {
      const from = (y * source.width + first) * CHANNELS
      sumInto(narrow, (y * area.width + x) * CHANNELS, pixels, from, CHANNELS, weights)
    }
  })
  const target = new Uint8ClampedArray(area.height * area.width * CHANNELS)
  const stride = area.width * CHANNELS
  rows.forEach(({ first, weights }, y) => {
    for (let x = 0; x < area.width; x++) {
      const from = first * stride + x * CHANNELS
      sumInto(target, y * stride + x * CHANNELS, narrow, from, stride, weights)
    }
  })
  return new Uint8Array(target.buffer)
}

/** One pixel: its three weighted sums, which storing rounds and clamps. */
function sumInto(
  target: Uint8ClampedArray,
  to: number,
  source: Uint8Array | Uint8ClampedArray,
  from: number,
  step: number,
  weights: Float64Array,
): void {
  let [red, green, blue] = [0, 0, 0]
  for (let i = 0, at = from; i < weights.length; i++, at += step) {
    const weight = weights[i] as number
    red += weight * (source[at] as number)
    green += weight * (source[at + 1] as number)
    blue += weight * (source[at + 2] as number)
  }
  target[to] = red
  target[to + 1] = green
  target[to + 2] = blue
}

function planTaps(
  source: number,
  resized: number,
  start: number,
  count: number,
  { support, weigh }: Filter,
): Taps[] {
  const scale = source / resized
  const stretch = Math.max(scale, 1)
  const reach = support * stretch
  return Array.from({ length: count }, (_, i) => {
    const centre = (start + i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const end = Math.min(source, Math.trunc(centre + reach + 0.5))
    const weights = Float64Array.from({ length: end - first }, (_, at) =>
      weigh((first + at - centre + 0.5) / stretch),
    )
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return { first, weights: weights.map((weight) => weight / sum) }
  })
}

/** Keys' cubic with a = -0.5 (Catmull and Rom), as Pillow and libvips have it. */
function weighCubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}
