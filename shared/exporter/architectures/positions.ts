import { z } from 'zod'
import type { LayerAttention } from './architecture.ts'

/** Distances beyond share the last bucket. */
const MAX_DISTANCE = 128

/**
 * Base of the wavelengths of rotary positions: Su et al., 2021, https://arxiv.org/abs/2104.09864. At 1 or below all
 * wavelengths are one, or shrink.
 */
export const ropeBase = z.number().gt(1).max(1e12)

/** What newer configurations say of rotary positions; scaled ones are not read. */
export const ropeParameters = z.looseObject({
  rope_type: z.literal('default').default('default'),
  rope_theta: ropeBase,
})

/** cos and sin of every position's angles, [positions, size / 2] each. */
export interface RopeTables {
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/** Angles position · base^(−2i / size), rounded to float32 as the reference rounds them. */
export function ropeTables(base: number, size: number, positions: number): RopeTables {
  const half = size / 2
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(base ** ((2 * i) / size)))
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency)
      cos[position * half + i] = Math.cos(angle)
      sin[position * half + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}

/** Tells kinds of attention apart; layers of one kind share their masks and tables. */
export function attentionKey({ ropeBase, window }: LayerAttention): string {
  return `${ropeBase ?? 'none'}_${window ?? 'all'}`
}

/**
 * The biases of buckets [buckets, heads] by distance: [heads, 2 · positions − 1], the key farthest before the query
 * first. Near distances have buckets of their own, farther ones share them by their logarithm, in either direction:
 * Raffel et al., 2020, https://arxiv.org/abs/1910.10683, section 2.1.
 */
export function spreadBuckets(table: Float32Array, heads: number, positions: number): Float32Array {
  const width = 2 * positions - 1
  const buckets = table.length / heads
  const spread = new Float32Array(heads * width)
  for (let at = 0; at < width; at++) {
    const bucket = bucketOf(at - (positions - 1), buckets)
    for (let head = 0; head < heads; head++) {
      spread[head * width + at] = table[bucket * heads + head] as number
    }
  }
  return spread
}

/** @param distance position of the key less that of the query */
function bucketOf(distance: number, buckets: number): number {
  const half = buckets >> 1
  const size = Math.abs(distance)
  const first = distance > 0 ? half : 0
  const exact = half >> 1
  if (size < exact) return first + size
  // Rounded as the reference rounds, in float32: at powers of two the last bit decides the bucket.
  const share = Math.fround(
    Math.fround(Math.log(Math.fround(size / exact))) / Math.fround(Math.log(MAX_DISTANCE / exact)),
  )
  const far = Math.floor(Math.fround(share * (half - exact)))
  return first + Math.min(exact + far, half - 1)
}
