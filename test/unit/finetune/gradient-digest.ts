/** What the goldens keep of a gradient, as the scripts in test/golden work it out. */
export interface Digest {
  readonly max: number
  readonly norm: number
  readonly samples: readonly number[]
}

/** Numbers that the scripts in test/golden make too. */
export function pseudoRandom(count: number, spread: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i * 7919 + 12345) % 20011) / 20011 - 0.5) * spread,
  )
}

/** The largest absolute value, the L2 norm and 24 elements of a gradient. */
export function digest(values: Float32Array): Digest {
  const positions = Array.from({ length: 24 }, (_, k) => (k * 104729 + 31) % values.length)
  return {
    max: values.reduce((max, value) => Math.max(max, Math.abs(value)), 0),
    norm: Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)),
    samples: positions.map((position) => values[position] as number),
  }
}

/** The largest difference between two digests, at the elements that both have, relative to the largest gradient and to the norm. */
export function difference(found: Digest, wanted: Digest): number {
  const samples = wanted.samples.map((value, i) => Math.abs((found.samples[i] as number) - value))
  return Math.max(
    Math.abs(found.max - wanted.max) / wanted.max,
    Math.abs(found.norm - wanted.norm) / wanted.norm,
    Math.max(...samples) / wanted.max,
  )
}
