import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { JobMode } from '../runtime/protocol.ts'

/** Map entry, key and the row's own object, beside the numbers; measured, rounded up. */
const ENTRY_BYTES = 400
const LONE_SURROGATE = /\p{Surrogate}/u

/** What an encoder once made of an input. */
export interface CachedRow {
  /** Shape [dimension]. */
  readonly vector: Float32Array
  readonly tokens: number
  readonly truncated: number
  /** Length of the pooled vector. */
  readonly norm: number
}

/** What a cache has done so far. */
export interface ResultCacheStats {
  readonly hits: number
  readonly misses: number
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
}

/**
 * Vectors of inputs seen before, the least recently used forgotten first. Keys are hashes over the encoder's
 * fingerprint, how the input is treated, and the input: no text and no image is kept.
 */
export class ResultCache {
  readonly #rows: LRUCache<string, CachedRow>
  readonly #maxBytes: number
  #hits = 0
  #misses = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#rows = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ vector }) => vector.byteLength + ENTRY_BYTES,
    })
  }

  /** True where a stored vector is all that is needed: heads read unit vectors, whatever is answered. */
  serves({ normalize, projection }: JobMode): boolean {
    return normalize || projection === 0
  }

  /**
   * Names an input under an encoder's fingerprint and a mode; heads do not enter, they are applied anew.
   * Null for text that is no Unicode: its hash would be that of other text.
   */
  keyOf(fingerprint: string, mode: JobMode, key: string): string | null {
    if (LONE_SURROGATE.test(key)) return null
    const { prompt, truncate, truncationDirection, windows, normalize } = mode
    const how = JSON.stringify([
      ...[fingerprint, truncate, truncationDirection, normalize, prompt],
      ...(windows ? [windows] : []),
    ])
    return hash('sha256', `${how}\n${key}`, 'base64')
  }

  get(key: string): CachedRow | null {
    const row = this.#rows.get(key)
    if (row) this.#hits += 1
    else this.#misses += 1
    return row ?? null
  }

  set(key: string, row: CachedRow): void {
    this.#rows.set(key, row)
  }

  stats(): ResultCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      entries: this.#rows.size,
      bytes: this.#rows.calculatedSize,
      maxBytes: this.#maxBytes,
    }
  }
}
