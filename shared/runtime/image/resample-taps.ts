import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'

export type Interpolation = ImagePreprocessing['resize']['interpolation']

/** One axis of a resize, of which `count` values from `start` on are wanted. */
export interface Axis {
  readonly source: number
  readonly resized: number
  readonly start: number
  readonly count: number
}

/** What each value of a line is made of: `length` values of the source from its `first` on. */
export interface Taps {
  readonly length: number
  /** Shape [count]. */
  readonly firsts: Int32Array
  /** Shape [count, length], of 22 binary places; the last ones of a row may be zeros. */
  readonly weights: Int32Array
}

interface Filter {
  /** Half its width in pixels of the smaller image. */
  readonly support: number
  weigh(x: number): number
}

const FILTERS: Readonly<Record<Interpolation, Filter>> = {
  linear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  cubic: { support: 2, weigh: (x) => weighCubic(Math.abs(x)) },
  lanczos3: { support: 3, weigh: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
}
/** Pillow's: sums of 8-bit values times weights stay within 32 bits. */
const ONE = 2 ** 22

/**
 * The weights of Pillow's resize (src/libImaging/Resample.c, precompute_coeffs): a filter, widened where it makes
 * smaller.
 * @param multiple of which `length` is one
 */
export function planTaps(axis: Axis, interpolation: Interpolation, multiple: number): Taps {
  const { source, resized, start, count } = axis
  const { support, weigh } = FILTERS[interpolation]
  const scale = source / resized
  const stretch = Math.max(scale, 1)
  const reach = support * stretch
  const most = Math.min(source, 2 * Math.ceil(reach) + 1)
  const length = Math.ceil(most / multiple) * multiple
  const firsts = new Int32Array(count)
  const weights = new Int32Array(count * length)
  const values = new Float64Array(most)
  for (let i = 0; i < count; i++) {
    const centre = (start + i + 0.5) * scale
    const first = Math.max(0, Math.trunc(centre - reach + 0.5))
    const taps = Math.min(source, Math.trunc(centre + reach + 0.5)) - first
    let sum = 0
    for (let at = 0; at < taps; at++) {
      const value = weigh((first + at - centre + 0.5) / stretch)
      values[at] = value
      sum += value
    }
    firsts[i] = first
    for (let at = 0; at < taps; at++) {
      const weight = ((values[at] as number) / sum) * ONE
      weights[i * length + at] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5)
    }
  }
  return { length, firsts, weights }
}

/** Keys' cubic with a = -0.5 (Catmull and Rom), as Pillow and libvips have it. */
function weighCubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}
