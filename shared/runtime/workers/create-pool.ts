import { EspalierError } from '../../lib/errors.ts'
import type { Pool, PoolOptions } from './pool.ts'
import { WorkerPool } from './worker-pool.ts'
import { isWorkerCrash, isWorkerStuck, type WorkerThread } from './worker-thread.ts'

/**
 * Resolves when the first worker has loaded and passed its self-test; the others join as they are ready. All
 * but one start in parallel: with a worker for each core, this leaves a core to what else has to be loaded.
 * @throws EspalierError the first failure when no worker can be started, `encoder_stuck` when none has loaded in time
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const atOnce = Math.max(1, options.workers - 1)
  const pool = new WorkerPool(options)
  const threads = Array.from({ length: atOnce }, () => pool.startThread())
  const first = await firstReady(threads).catch(async (error: unknown) => {
    await pool.close()
    throw error
  })
  pool.adopt(first)
  for (const thread of threads) if (thread !== first) pool.await(thread)
  for (let i = atOnce; i < options.workers; i++) pool.await(pool.startThread())
  return pool
}

/**
 * The thread that has loaded first. Where none does, all have ended by then, but for those that are stuck.
 * @throws EspalierError why the first one could not be loaded
 */
async function firstReady(threads: readonly WorkerThread[]): Promise<WorkerThread> {
  const loading = threads.map(async (thread) => {
    await thread.ready
    return thread
  })
  try {
    return await Promise.any(loading)
  } catch (error) {
    const reasons = (error as AggregateError).errors
    const ended = threads.filter((_, i) => !isWorkerStuck(reasons[i]))
    await Promise.all(ended.map((thread) => thread.stop()))
    const [reason] = reasons
    if (isWorkerStuck(reason)) throw notLoaded(reason)
    if (!isWorkerCrash(reason)) throw reason
    throw new EspalierError('internal', reason.message, { cause: reason })
  }
}

function notLoaded(cause: Error): EspalierError {
  const message =
    'no worker has loaded the encoder in time: its files may be at fault; on a slow machine raise ESPALIER_LOAD_TIMEOUT_MS'
  return new EspalierError('encoder_stuck', message, { cause })
}
