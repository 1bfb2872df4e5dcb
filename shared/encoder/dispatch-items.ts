import { EspalierError } from '../lib/errors.ts'
import type { Job, JobMode, JobResult } from '../runtime/protocol.ts'
import type { Pool } from '../runtime/workers/pool.ts'
import { crashError, isWorkerCrash, isWorkerStuck } from '../runtime/workers/worker-thread.ts'
import type { InputKind } from './input-kind.ts'
import { Item, type ItemTable } from './item.ts'
import type { Quarantine } from './quarantine.ts'
import type { EncodeRequest } from './request.ts'
import type { CachedRow, ResultCache } from './result-cache.ts'

/** What turns inputs into items. */
export interface CollectDeps {
  readonly table: ItemTable<EncodeRequest>
  readonly kind: InputKind
  readonly cache: ResultCache | null
  readonly fingerprint: string
  /** Most pixels of the images of one request. @default unbounded */
  readonly maxPixels?: number | undefined
  readonly quarantine: Quarantine
  /** Milliseconds that never run backwards. */
  readonly now: number
}

/** What a request needs done; nothing has changed until `commit`. */
export interface Collected {
  /** Estimated tokens of what nobody else has asked for yet. */
  readonly newTokens: number
  /** Those of the last of them to run. */
  readonly lastTokens: number
  /** Memory of the same. */
  readonly newBytes: number
  /** True where an input of it is waiting already, for others. */
  readonly isWaiting: boolean
  /** Inputs that another input, waiting or running, has brought already. */
  readonly sharedInputs: number
  commit(): void
}

/**
 * Finds or makes the item of each input: one for each different input, longest first, so that neighbours in a
 * run are of near-equal length.
 * @throws EspalierError `input_too_large`, `image_too_large`, `invalid_image`, `encoder_stuck` naming the input
 */
export function collectItems(request: EncodeRequest, deps: CollectDeps): Collected {
  const { inputs, mode } = request
  const { table, kind, maxPixels = Number.POSITIVE_INFINITY } = deps
  const lane = table.lane(mode)
  const byKey = new Map<string, { item: Item<EncodeRequest>; indices: number[] }>()
  const recalled: { row: CachedRow; indices: number[] }[] = []
  const recalledByKey = new Map<string, number[]>()
  let newTokens = 0
  let newBytes = 0
  let newPixels = 0
  for (const [index, input] of inputs.entries()) {
    const key = kind.keyOf(input, index)
    const again = byKey.get(key)?.indices ?? recalledByKey.get(key)
    if (again) {
      again.push(index)
      continue
    }
    const indices = [index]
    const running = lane.items.get(key)
    if (running) {
      byKey.set(key, { item: running, indices })
      continue
    }
    deps.quarantine.check(mode.prompt, key, index, deps.now)
    const size = kind.measure(input, index, mode)
    const known = recall(request, key, deps)
    if (known && mode.projection === 0) {
      recalled.push({ row: known, indices })
      recalledByKey.set(key, indices)
      continue
    }
    const { pixels, tokens } = known ? { pixels: 0, tokens: 1 } : size
    const item = new Item<EncodeRequest>(lane, key, input, { ...size, tokens, pixels }, known)
    newTokens += tokens
    newPixels += pixels
    if (newPixels > maxPixels) throw tooManyPixels(newPixels, maxPixels, index)
    newBytes += size.bytes
    byKey.set(key, { item, indices })
  }
  const found = [...byKey.values()].sort(
    (a, b) => b.item.tokens - a.item.tokens || (a.indices[0] as number) - (b.indices[0] as number),
  )
  const newItems = found.filter(({ item }) => item.state === 'new')
  const fresh = newItems.length
  const recalledInputs = recalled.reduce((sum, { indices }) => sum + indices.length, 0)
  return {
    newTokens,
    lastTokens: newItems.at(-1)?.item.tokens ?? 0,
    newBytes,
    isWaiting: found.some(({ item }) => item.state === 'waiting'),
    sharedInputs: inputs.length - recalledInputs - fresh,
    commit() {
      for (const { item, indices } of found) {
        if (item.state === 'new') table.add(item)
        for (const index of indices) item.waiters.push({ request, index })
        request.items.push(item)
      }
      for (const { row, indices } of recalled) {
        for (const index of indices) request.recall(index, row)
      }
    },
  }
}

function tooManyPixels(pixels: number, limit: number, index: number): EspalierError {
  const message = `brings the images of the request to ${pixels} pixels; the limit is ${limit} (ESPALIER_MAX_REQUEST_PIXELS): send them in parts, or smaller`
  return new EspalierError('image_too_large', message, { index })
}

/** A row of the cache, where there is a cache and its rows are what the mode needs. */
function recall(
  { mode }: EncodeRequest,
  name: string,
  { cache, fingerprint }: CollectDeps,
): CachedRow | null {
  if (!cache?.serves(mode)) return null
  const key = cache.keyOf(fingerprint, mode, name)
  return key === null ? null : cache.get(key)
}

/** A single input whose worker ended, or did not come back, is tried this often in all. */
const MAX_ATTEMPTS = 2

/** What becomes of the items of a job. */
export interface ItemSink {
  /** All items of a job that came back; `ms` is the worker's own time. */
  done(items: readonly Item<EncodeRequest>[], result: JobResult): void
  failed(items: readonly Item<EncodeRequest>[], error: Error): void
  /** Items that no worker came back from, a single one each time. */
  stuck(items: readonly Item<EncodeRequest>[], cause: Error): void
}

/**
 * Runs items on the pool. Where a worker ends in them, each half is run again on its own, and so on, until
 * what ends workers fails alone; a single input is tried once more before that. Where a worker does not come back,
 * each input is run once more on its own: halving would cost a worker at every step.
 */
export async function runItems(
  pool: Pool,
  items: readonly Item<EncodeRequest>[],
  dimension: number,
  sink: ItemSink,
  attempts = 1,
): Promise<void> {
  let result: JobResult
  try {
    const tokens = items.reduce((sum, item) => sum + item.tokens, 0)
    result = await pool.run(assembleJob(items, dimension), tokens)
  } catch (error) {
    if (!isWorkerCrash(error)) return sink.failed(items, error as Error)
    if (isWorkerStuck(error)) {
      const isLast = attempts >= MAX_ATTEMPTS || (items.length === 1 && !error.isReplaced)
      if (isLast) return sink.stuck(items, error)
      const alone = items.map((item) => runItems(pool, [item], dimension, sink, MAX_ATTEMPTS))
      await Promise.all(alone)
      return
    }
    if (items.length === 1) {
      if (attempts >= MAX_ATTEMPTS) return sink.failed(items, crashError(error))
      return runItems(pool, items, dimension, sink, attempts + 1)
    }
    const middle = items.length >> 1
    const halves = [items.slice(0, middle), items.slice(middle)]
    await Promise.all(halves.map((half) => runItems(pool, half, dimension, sink, attempts)))
    return
  }
  sink.done(items, result)
}

function assembleJob(items: readonly Item<EncodeRequest>[], dimension: number): Job {
  const modes: JobMode[] = []
  const places = new Map<JobMode, number>()
  const modeOf = new Uint16Array(items.length)
  const known: number[] = []
  for (const [row, { lane, known: vector }] of items.entries()) {
    const place = places.get(lane.mode) ?? modes.push(lane.mode) - 1
    places.set(lane.mode, place)
    modeOf[row] = place
    if (vector) known.push(row)
  }
  const inputs = items.map(({ input, known: vector }) => (vector ? '' : input))
  if (known.length === 0) return { inputs, modes, modeOf }
  const vectors = new Float32Array(known.length * dimension)
  const norms = new Float32Array(known.length)
  for (const [at, row] of known.entries()) {
    const { known: vector } = items[row] as Item<EncodeRequest>
    if (!vector) continue
    vectors.set(vector.vector, at * dimension)
    norms[at] = vector.norm
  }
  return { inputs, modes, modeOf, known: { rows: Uint32Array.from(known), vectors, norms } }
}
