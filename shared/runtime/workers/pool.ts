import { EspalierError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Job, JobResult, WireMemory, WireProjection, WorkerInit } from '../protocol.ts'
import type { Device } from '../session.ts'
import type { EarlyWorker } from './early-worker.ts'
import { startWorkerThread, WorkerPool } from './worker-pool.ts'
import { isWorkerCrash, type WorkerThread } from './worker-thread.ts'

/** What a pool needs. */
export interface PoolOptions {
  readonly workerUrl: URL
  readonly init: WorkerInit
  readonly workers: number
  /** A thread under way already, taken first. */
  readonly early?: EarlyWorker | undefined
  readonly log: Logger
  /** Called whenever a worker can take a job, after `createPool` has resolved. */
  readonly onFree: () => void
}

/** Worker threads that each own a loaded encoder: one job runs in each, and one may wait in each. */
export interface Pool {
  readonly device: Device
  /** Workers alive or being replaced; zero when none could be kept alive. */
  readonly size: number
  /** Workers with nothing to do. */
  readonly free: number
  /** Workers that run one job and could hold the next, so as not to wait for this thread in between. */
  readonly spare: number
  readonly busy: number
  /** Workers that ended unasked, so far. */
  readonly crashes: number
  /**
   * Runs a job on the least busy worker; without one it waits for a replacement.
   * @throws WorkerCrash if the worker ends in this job, EspalierError `internal` with no worker left
   */
  run(job: Job): Promise<JobResult>
  /** Adds a projection to every worker; resolves when all have it. */
  addProjection(projection: WireProjection): Promise<void>
  dropProjection(id: number): Promise<void>
  /** Adds rows to search to every worker; resolves when all have them. */
  addMemory(memory: WireMemory): Promise<void>
  dropMemory(id: number): Promise<void>
  /** Lets running jobs end, releases the sessions, ends the threads. */
  close(): Promise<void>
}

/**
 * Resolves when the first worker has loaded and passed its self-test; the others join as they are ready. All
 * but one start in parallel: with a worker for each core, this leaves a core to what else has to be loaded.
 * @throws EspalierError the first failure when no worker can be started
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const atOnce = Math.max(1, options.workers - 1)
  const threads = Array.from({ length: atOnce }, () => startWorkerThread(options))
  const first = await Promise.any(
    threads.map(async (thread) => {
      await thread.ready
      return thread
    }),
  ).catch(async () => {
    await Promise.all(threads.map((thread) => thread.stop()))
    const [settled] = await Promise.allSettled([(threads[0] as WorkerThread).ready])
    const reason = settled?.status === 'rejected' ? settled.reason : new Error('no workers')
    if (!isWorkerCrash(reason)) throw reason
    throw new EspalierError('internal', reason.message, { cause: reason })
  })
  const pool = new WorkerPool(options)
  pool.adopt(first)
  for (const thread of threads) if (thread !== first) pool.await(thread)
  for (let i = atOnce; i < options.workers; i++) pool.await(startWorkerThread(options))
  return pool
}
