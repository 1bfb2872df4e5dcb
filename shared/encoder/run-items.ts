import type { Job, JobMode, JobResult } from '../runtime/protocol.ts'
import type { Pool } from '../runtime/workers/pool.ts'
import { crashError, isWorkerCrash } from '../runtime/workers/worker-thread.ts'
import type { Item } from './item.ts'
import type { EncodeRequest } from './request.ts'

/** A single input whose worker ended is tried this often in all. */
const MAX_ATTEMPTS = 2

/** What becomes of the items of a job. */
export interface ItemSink {
  /** All items of a job that came back; `ms` is the worker's own time. */
  done(items: readonly Item<EncodeRequest>[], result: JobResult): void
  failed(items: readonly Item<EncodeRequest>[], error: Error): void
}

/**
 * Runs items on the pool. Where a worker ends in them, each half is run again on its own, and so on, until
 * what ends workers fails alone; a single input is tried once more before that.
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
    result = await pool.run(assembleJob(items, dimension))
  } catch (error) {
    if (!isWorkerCrash(error)) return sink.failed(items, error as Error)
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
