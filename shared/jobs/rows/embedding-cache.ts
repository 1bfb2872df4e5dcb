import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { EncoderInfo } from '../../encoder/types.ts'
import { isSameReading, type TextReading, USUAL_READING } from '../../head/head.ts'
import type { Logger } from '../../lib/logger.ts'
import { readSegment, SEGMENT_ROWS, writeSegment } from './embedding-segment.ts'

/** Embeddings of texts that were embedded before on this machine. */
export interface EmbeddingCache {
  /** The key of a text, as 32 bytes in latin1. */
  keyOf(text: string): string
  /** Hands over the vectors of the keys that are known. */
  read(
    isWanted: (key: string) => boolean,
    take: (key: string, vector: Float32Array) => void,
  ): Promise<void>
  /** Adds a vector; it is kept once enough have gathered, or at `flush`. */
  add(key: string, vector: Float32Array): Promise<void>
  flush(): Promise<void>
}

export interface EmbeddingCacheOptions {
  readonly folder: string
  readonly encoder: Pick<EncoderInfo, 'fingerprint' | 'device' | 'dimension'>
  /** Text before every input; it is part of what a vector depends on. */
  readonly prompt: string | undefined
  /** How long texts are read; absent for the usual way. */
  readonly reading?: TextReading | undefined
  /** Set for something else that is known of the same texts, by its name; the encoder's dimension is then its. */
  readonly beside?: string | undefined
  readonly log: Logger
  /** Bytes of all encoders' segments together; the least used go first. @default 2 GiB */
  readonly maxBytes?: number | undefined
  /** Segments of all encoders together. @default 2048 */
  readonly maxSegments?: number | undefined
}

const SEGMENT_EXTENSION = '.embeddings'
const MAX_BYTES = 2 * 1024 ** 3
const MAX_SEGMENTS = 2048
/** An unfinished segment older than this was left by a process that died. */
const STALE_MS = 3_600_000

/**
 * A cache of embeddings by content, in files that are written once and never changed: processes may share it,
 * and one that dies leaves nothing half-written that is ever read. What is damaged is left out and made again.
 */
export function openEmbeddingCache(options: EmbeddingCacheOptions): EmbeddingCache {
  const { folder, encoder, prompt = '', reading, beside, log } = options
  const { fingerprint, device, dimension } = encoder
  // Other hardware rounds differently: a GPU's vectors are not taken for those of a CPU.
  const scope = createHash('sha256')
    .update(JSON.stringify([fingerprint, device, prompt, ...describeReading(reading, beside)]))
    .digest('hex')
    .slice(0, 32)
  const own = join(folder, scope)
  let keys: string[] = []
  let vectors: Float32Array[] = []

  const guarded = async (action: () => Promise<void>): Promise<void> => {
    try {
      await action()
    } catch (error) {
      // A cache that cannot be used costs time and nothing else.
      const reason = error instanceof Error ? error.message : String(error)
      log.warn({ folder: own, reason }, 'embeddings are not cached')
    }
  }

  async function flush(): Promise<void> {
    if (keys.length === 0) return
    const rows = { keys, vectors: joinVectors(vectors, dimension) }
    keys = []
    vectors = []
    await guarded(async () => {
      await mkdir(own, { recursive: true })
      const name = `${randomBytes(12).toString('hex')}${SEGMENT_EXTENSION}`
      await writeSegment(join(own, name), dimension, rows)
      await trim(folder, options.maxBytes ?? MAX_BYTES, options.maxSegments ?? MAX_SEGMENTS)
    })
  }

  return {
    keyOf: (text) =>
      createHash('sha256').update(`${fingerprint}\0${text}`).digest().toString('latin1'),
    read: (isWanted, take) =>
      guarded(async () => {
        for (const name of await list(own)) {
          if (!name.endsWith(SEGMENT_EXTENSION)) continue
          const path = join(own, name)
          const taken = await readSegment(path, dimension, isWanted, take).catch(() => 0)
          if (taken === null) await rm(path, { force: true })
          else if (taken > 0) await utimes(path, new Date(), new Date()).catch(() => {})
        }
      }),
    async add(key, vector) {
      keys.push(key)
      vectors.push(vector)
      if (keys.length === SEGMENT_ROWS) await flush()
    },
    flush,
  }
}

/** What tells a cache from that of vectors as they are usually made, which is known by the encoder alone. */
function describeReading(reading: TextReading | undefined, beside: string | undefined): unknown[] {
  const isUsual = isSameReading(reading)
  if (isUsual && beside === undefined) return []
  const { truncationDirection, windows } = reading ?? USUAL_READING
  return [truncationDirection, windows, ...(beside === undefined ? [] : [beside])]
}

function joinVectors(vectors: readonly Float32Array[], dimension: number): Float32Array {
  const joined = new Float32Array(vectors.length * dimension)
  for (const [row, vector] of vectors.entries()) joined.set(vector, row * dimension)
  return joined
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

/** Removes the least recently used segments beyond the bounds, and what dead processes left. */
async function trim(folder: string, maxBytes: number, maxSegments: number): Promise<void> {
  const segments: { path: string; bytes: number; usedMs: number }[] = []
  for (const scope of await list(folder)) {
    for (const name of await list(join(folder, scope))) {
      const path = join(folder, scope, name)
      const info = await stat(path).catch(() => null)
      if (info === null || !info.isFile()) continue
      if (name.endsWith(SEGMENT_EXTENSION)) {
        segments.push({ path, bytes: info.size, usedMs: info.mtimeMs })
      } else if (Date.now() - info.mtimeMs > STALE_MS) {
        await rm(path, { force: true })
      }
    }
  }
  segments.sort((a, b) => b.usedMs - a.usedMs)
  let bytes = 0
  for (const [at, segment] of segments.entries()) {
    bytes += segment.bytes
    if (at >= maxSegments || bytes > maxBytes) await rm(segment.path, { force: true })
  }
}
