import type { Job, JobResult } from '../../shared/runtime/protocol.ts'
import type { Pool } from '../../shared/runtime/workers/pool.ts'

/** A job that a worker has, until the test ends it. */
export interface FakeJob {
  readonly job: Job
  /** Ends it, with vectors of zeros, after so many milliseconds of the worker's own time. */
  finish(ms: number, tokens?: (input: Job['inputs'][number]) => number): void
}

/** Workers whose jobs end when a test says so, in whatever time it likes. */
export interface FakePool extends Pool {
  /** What the workers have, in the order in which it came. */
  readonly jobs: readonly FakeJob[]
  /** Told when a worker can take a job, as the dispatcher is by the real pool. */
  onFree: () => void
}

/** A pool that runs one job in each worker and holds another, as the real one does. */
export function createFakePool(workers: number, dimension: number): FakePool {
  const jobs: FakeJob[] = []
  const idle = async () => {}
  const pool: FakePool = {
    jobs,
    onFree: () => {},
    device: 'cpu',
    size: workers,
    get free() {
      return Math.max(0, workers - jobs.length)
    },
    get spare() {
      return Math.max(0, Math.min(workers, 2 * workers - jobs.length))
    },
    get busy() {
      return Math.min(workers, jobs.length)
    },
    crashes: 0,
    abandoned: 0,
    stuck: 0,
    lostMs: 0,
    run(job) {
      return new Promise<JobResult>((resolve) => {
        const own: FakeJob = {
          job,
          finish(ms, tokens = () => 1) {
            jobs.splice(jobs.indexOf(own), 1)
            resolve(resultOf(job, dimension, ms, tokens))
          },
        }
        jobs.push(own)
      })
    },
    addProjection: idle,
    dropProjection: idle,
    addMemory: idle,
    dropMemory: idle,
    close: idle,
  }
  return pool
}

function resultOf(
  { inputs }: Job,
  dimension: number,
  ms: number,
  tokens: (input: Job['inputs'][number]) => number,
): JobResult {
  return {
    vectors: new Float32Array(inputs.length * dimension),
    norms: new Float32Array(inputs.length).fill(1),
    tokens: Uint32Array.from(inputs, tokens),
    truncated: new Uint8Array(inputs.length),
    scores: [],
    neighbours: [],
    failures: [],
    tokenizeMs: 0,
    runMs: ms,
  }
}
