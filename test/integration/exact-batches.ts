import { readFileSync } from 'node:fs'
import type { Encoder } from '../../shared/encoder/types.ts'

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const PARALLEL_REQUESTS = 4

/** What a comparison of batches with single texts found. */
export interface ExactnessReport {
  readonly compared: number
  /** Texts whose vector differed in any bit. */
  readonly different: readonly string[]
}

/** A seeded stream of numbers in [0, 1) (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Texts of 1 to a few hundred words, cut from real ones. */
export function makeTexts(count: number, random: () => number): string[] {
  const url = new URL('../golden/minilm-goldens.json', import.meta.url)
  const { items } = JSON.parse(readFileSync(url, 'utf8')) as { items: { text: string }[] }
  const words = items.flatMap(({ text }) => text.split(/\s+/))
  return Array.from({ length: count }, () => {
    const length = Math.ceil(1 + 240 * random() ** 3)
    const start = Math.floor(random() * Math.max(1, words.length - length))
    return words.slice(start, start + length).join(' ')
  })
}

/** Encodes random batches, several requests at a time, and compares every row with the text on its own. */
export async function compareBatches(
  encoder: Encoder,
  alone: ReadonlyMap<string, Float32Array>,
  batches: number,
  random: () => number,
): Promise<ExactnessReport> {
  const texts = [...alone.keys()]
  const different: string[] = []
  let compared = 0
  const runOne = async (): Promise<void> => {
    const size = Math.ceil(random() * 24)
    const inputs = Array.from(
      { length: size },
      () => texts[Math.floor(random() * texts.length)] ?? '',
    )
    const { vectors, dimension } = await encoder.encode(inputs, OPTIONS)
    inputs.forEach((text, row) => {
      const bytes = vectors.subarray(row * dimension, (row + 1) * dimension)
      if (!sameBits(bytes, alone.get(text) as Float32Array)) different.push(text)
    })
    compared += size
  }
  for (let done = 0; done < batches; done += PARALLEL_REQUESTS) {
    await Promise.all(Array.from({ length: PARALLEL_REQUESTS }, runOne))
  }
  return { compared, different }
}

/** Each text in a request of its own, one after another. */
export async function encodeAlone(
  encoder: Encoder,
  texts: readonly string[],
): Promise<Map<string, Float32Array>> {
  const alone = new Map<string, Float32Array>()
  for (const text of texts) alone.set(text, (await encoder.encode([text], OPTIONS)).vectors)
  return alone
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.compare(viewBytes(a), viewBytes(b)) === 0
}

function viewBytes(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
