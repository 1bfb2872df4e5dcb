/** A seeded stream of pseudo-random numbers; the same seed gives the same stream everywhere. */
export interface Random {
  /** Uniform in [0, 1) with 32 bits. */
  next(): number
  /** Uniform integer in [0, bound). */
  below(bound: number): number
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T extends { [index: number]: number; readonly length: number }>(values: T): T
}

/** sfc32 of Chris Doty-Humphrey (PractRand, public domain), seeded by one 32-bit integer. */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1
  const step = (): number => {
    const t = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return t >>> 0
  }
  // The first outputs still show the seed's structure.
  for (let i = 0; i < 16; i++) step()
  const below = (bound: number): number => Math.floor((step() / 0x1_0000_0000) * bound)
  return {
    next: () => step() / 0x1_0000_0000,
    below,
    shuffle(values) {
      for (let i = values.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const held = values[i]!
        values[i] = values[j]!
        values[j] = held
      }
      return values
    },
  }
}

/** Fills with normal numbers (Box and Muller, 1958). */
export function drawNormal(values: Float32Array, deviation: number, random: Random): Float32Array {
  for (let i = 0; i < values.length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random.next()))
    const angle = 2 * Math.PI * random.next()
    values[i] = radius * Math.cos(angle)
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle)
  }
  return values
}
