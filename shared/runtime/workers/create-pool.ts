import { EspalierError } from '../../lib/errors.ts'
import type { Pool, PoolOptions } from './pool.ts'
import { startWorkerThread, WorkerPool } from './worker-pool.ts'
import { isWorkerCrash, type WorkerThread } from './worker-thread.ts'

/**
 * Resolves when the first worker has loaded and passed its self-test; the others join as they are ready. All
 * but one start in parallel: with a worker for each core, this leaves a core to what else has to be loaded.
 * @throws EspalierError the first failure when no worker can be started
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const atOnce = Math.max(1, options.workers - 1)
  const threads = Array.from({ length: atOnce }, () => startWorkerThread(options))
  const first = await firstReady(threads)
  const pool = new WorkerPool(options)
  pool.adopt(first)
  for (const thread of threads) if (thread !== first) pool.await(thread)
  for (let i = atOnce; i < options.workers; i++) pool.await(startWorkerThread(options))
  return pool
}

/**
 * The thread that has loaded first. Where none does, all have ended by then.
 * @throws EspalierError why the first one could not be loaded
 */
async function firstReady(threads: readonly WorkerThread[]): Promise<WorkerThread> {
  const loading = threads.map(async (thread) => {
    await thread.ready
    return thread
  })
  try {
    return await Promise.any(loading)
  } catch {
    await Promise.all(threads.map((thread) => thread.stop()))
    const [settled] = await Promise.allSettled([(threads[0] as WorkerThread).ready])
    const reason = settled?.status === 'rejected' ? settled.reason : new Error('no workers')
    if (!isWorkerCrash(reason)) throw reason
    throw new EspalierError('internal', reason.message, { cause: reason })
  }
}
