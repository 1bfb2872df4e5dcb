import type { Logger } from '../../lib/logger.ts'
import type { Job, JobResult, WireMemory, WireProjection, WorkerInit } from '../protocol.ts'
import type { Device } from '../session.ts'
import type { PrespawnedWorker } from './prespawned-worker.ts'
import type { Ticker } from './run-deadline.ts'

/** What a pool needs. */
export interface PoolOptions {
  readonly workerUrl: URL
  readonly init: WorkerInit
  readonly workers: number
  /** A thread under way already, taken first. */
  readonly prespawned?: PrespawnedWorker | undefined
  /** Longest time of a job of up to `tokensOfTimeout`; longer ones have more in proportion. @default 60 s */
  readonly runTimeoutMs?: number | undefined
  /** Longest time in which a worker loads the encoder, once its files are verified. @default 5 min */
  readonly loadTimeoutMs?: number | undefined
  /** @default a timer */
  readonly ticker?: Ticker | undefined
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
  /** Workers that were given up and have not come back: their threads and their memory are still there. */
  readonly abandoned: number
  /** Workers given up in a run, or while they loaded, so far. */
  readonly stuck: number
  /** For how long no worker has been there to take a job; 0 while there is one. */
  readonly lostMs: number
  /**
   * Runs a job on the least busy worker; without one it waits for a replacement.
   * @param tokens what the deadline of the job comes from
   * @throws WorkerCrash if the worker ends in this job, WorkerStuck if it does not come back from it,
   *   EspalierError `internal` with no worker left
   */
  run(job: Job, tokens?: number): Promise<JobResult>
  /** Adds a projection to every worker; resolves when all have it. */
  addProjection(projection: WireProjection): Promise<void>
  dropProjection(id: number): Promise<void>
  /** Adds rows to search to every worker; resolves when all have them. */
  addMemory(memory: WireMemory): Promise<void>
  dropMemory(id: number): Promise<void>
  /** Lets running jobs end, releases the sessions, ends the threads. */
  close(): Promise<void>
}
