import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Job, JobResult, WireMemory, WireProjection, WorkerInit } from './protocol.ts'
import type { Device } from './session.ts'
import { type Ask, crashError, isWorkerCrash, WorkerThread } from './worker-thread.ts'

/** A worker that cannot be started this often in a row is given up; the others go on. */
const MAX_FAILED_RESTARTS = 3
const MAX_ATTEMPTS = 2

/** What a pool needs. */
export interface PoolOptions {
  readonly workerUrl: URL
  readonly init: WorkerInit
  readonly workers: number
  readonly log: Logger
  /** Called whenever a worker becomes free, after `createPool` has resolved. */
  readonly onFree: () => void
}

/** Worker threads that each own a loaded encoder. Jobs go to free workers only. */
export interface Pool {
  readonly device: Device
  /** Workers alive or being replaced; zero when none could be kept alive. */
  readonly size: number
  readonly free: number
  readonly busy: number
  /**
   * Runs a job on a free worker; a job whose worker crashes is tried once more on another.
   * @throws EspalierError `internal` after a second crash or with no worker left
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
 * Starts all workers in parallel; resolves when every one has loaded and passed its self-test.
 * @throws EspalierError the first failure, after the other workers have ended
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const threads = Array.from(
    { length: options.workers },
    () => new WorkerThread(options.workerUrl, options.init),
  )
  const settled = await Promise.allSettled(threads.map((thread) => thread.ready))
  const failure = settled.find((result) => result.status === 'rejected')
  if (failure) {
    await Promise.all(threads.map((thread) => thread.stop()))
    if (!isWorkerCrash(failure.reason)) throw failure.reason
    throw new EspalierError('internal', failure.reason.message, { cause: failure.reason })
  }
  const first = await (threads[0] as WorkerThread).ready
  if (first.fallback !== null) {
    const reason = first.fallback
    options.log.warn({ device: first.device, reason }, 'no GPU in use: running on the CPU')
  }
  return new WorkerPool(options, threads, first.device)
}

interface Task {
  readonly job: Job
  attempts: number
  resolve(result: JobResult): void
  reject(error: Error): void
}

class WorkerPool implements Pool {
  readonly device: Device
  readonly #options: PoolOptions
  readonly #threads: Set<WorkerThread>
  readonly #idle: Set<WorkerThread>
  /** Jobs of crashed workers, ahead of everything new. */
  readonly #retries: Task[] = []
  readonly #projections = new Map<number, WireProjection>()
  readonly #memories = new Map<number, WireMemory>()
  #restarting = 0
  #closing: Promise<void> | null = null
  #stopping = false
  readonly #running = new Set<Promise<void>>()

  constructor(options: PoolOptions, threads: readonly WorkerThread[], device: Device) {
    this.#options = options
    this.device = device
    this.#threads = new Set(threads)
    this.#idle = new Set(threads)
    for (const thread of threads) this.#watch(thread)
  }

  get size(): number {
    return this.#threads.size + this.#restarting
  }

  get free(): number {
    return Math.max(0, this.#idle.size - this.#retries.length)
  }

  get busy(): number {
    return this.#threads.size - this.#idle.size
  }

  run(job: Job): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      this.#start({ job, attempts: 0, resolve, reject })
    })
  }

  async addProjection(projection: WireProjection): Promise<void> {
    this.#projections.set(projection.id, projection)
    await this.#askAll({ type: 'project', projection })
  }

  async dropProjection(id: number): Promise<void> {
    this.#projections.delete(id)
    await this.#askAll({ type: 'unproject', projection: id })
  }

  async addMemory(memory: WireMemory): Promise<void> {
    this.#memories.set(memory.id, memory)
    await this.#askAll({ type: 'remember', memory })
  }

  async dropMemory(id: number): Promise<void> {
    this.#memories.delete(id)
    await this.#askAll({ type: 'forget', memory: id })
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  async #drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
    this.#stopping = true
    await Promise.all([...this.#threads].map((thread) => thread.stop()))
  }

  /** A crashed worker is no failure here: its replacement is given all that is live. */
  async #askAll(message: Ask): Promise<void> {
    const answers = [...this.#threads].map((thread) => thread.ask(message))
    for (const answer of await Promise.allSettled(answers)) {
      if (answer.status === 'rejected' && !isWorkerCrash(answer.reason)) throw answer.reason
    }
  }

  #start(task: Task): void {
    const [thread] = this.#idle
    if (!thread) {
      if (this.size === 0) {
        task.reject(new EspalierError('internal', 'no encoder worker is left: restart the service'))
      } else this.#retries.push(task)
      return
    }
    this.#idle.delete(thread)
    task.attempts += 1
    const running = this.#runOn(thread, task).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #runOn(thread: WorkerThread, task: Task): Promise<void> {
    try {
      const reply = await thread.ask({ type: 'run', job: task.job })
      if (reply.type === 'result') task.resolve(reply.result)
    } catch (error) {
      if (!isWorkerCrash(error)) task.reject(error as Error)
      else if (task.attempts >= MAX_ATTEMPTS) task.reject(crashError(error))
      else return this.#start(task)
    }
    if (this.#threads.has(thread)) this.#release(thread)
  }

  #release(thread: WorkerThread): void {
    this.#idle.add(thread)
    const task = this.#retries.shift()
    if (task) this.#start(task)
    else this.#options.onFree()
  }

  #watch(thread: WorkerThread): void {
    void thread.exited.then(() => {
      this.#idle.delete(thread)
      this.#threads.delete(thread)
      if (this.#stopping) return
      this.#options.log.error({ workers: this.size }, 'an encoder worker ended: replacing it')
      const replaced = this.#replace().finally(() => this.#running.delete(replaced))
      this.#running.add(replaced)
    })
  }

  async #replace(): Promise<void> {
    this.#restarting += 1
    try {
      for (let attempt = 1; attempt <= MAX_FAILED_RESTARTS; attempt++) {
        const thread = new WorkerThread(this.#options.workerUrl, this.#options.init)
        try {
          await thread.ready
          await this.#join(thread)
          return
        } catch (error) {
          await thread.stop()
          const reason = error instanceof Error ? error.message : String(error)
          this.#options.log.error({ attempt, reason }, 'an encoder worker did not start')
        }
      }
    } finally {
      this.#restarting -= 1
    }
    if (this.size > 0) return
    for (const task of this.#retries.splice(0)) this.#start(task)
    this.#options.onFree()
  }

  /** Takes a loaded thread in; it is in the set before it is given what others have, so nothing is missed. */
  async #join(thread: WorkerThread): Promise<void> {
    this.#threads.add(thread)
    try {
      const live: Ask[] = []
      for (const memory of this.#memories.values()) live.push({ type: 'remember', memory })
      for (const projection of this.#projections.values()) {
        live.push({ type: 'project', projection })
      }
      await Promise.all(live.map((message) => thread.ask(message)))
    } catch (error) {
      this.#threads.delete(thread)
      throw error
    }
    this.#watch(thread)
    this.#release(thread)
  }
}
