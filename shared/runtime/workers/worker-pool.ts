import { EspalierError } from '../../lib/errors.ts'
import type { Job, JobResult, WireMemory, WireProjection } from '../protocol.ts'
import type { Device } from '../session.ts'
import { GivenUp } from './given-up.ts'
import { HeldByAll } from './held-by-all.ts'
import { DEFAULT_LOAD_TIMEOUT_MS, LoadWatch } from './load-watch.ts'
import type { Pool, PoolOptions } from './pool.ts'
import {
  DEFAULT_RUN_TIMEOUT_MS,
  intervalTicker,
  TICK_MS,
  ticksFor,
  tokensOfTimeout,
} from './run-deadline.ts'
import { type Ask, isWorkerCrash, isWorkerStuck, WorkerThread } from './worker-thread.ts'

/** A worker that cannot be started this often in a row is given up; the others go on. */
const MAX_FAILED_RESTARTS = 3

interface Task {
  readonly job: Job
  /** How many more ticks it may run. */
  ticksLeft: number
  resolve(result: JobResult): void
  reject(error: Error): void
}

/** The threads of a pool, the jobs inside each, and what all of them hold. */
export class WorkerPool implements Pool {
  readonly device: Device
  readonly #options: PoolOptions
  /** Jobs inside each worker, the one that runs first. */
  readonly #threads = new Map<WorkerThread, Task[]>()
  readonly #loading: LoadWatch
  /** Jobs that found no worker, and those that waited in one that ended. */
  readonly #waiting: Task[] = []
  readonly #held = new HeldByAll()
  readonly #unfinished = new Set<Promise<void>>()
  readonly #givenUp: GivenUp
  #starting = 0
  #crashes = 0
  /** Ticks since no worker has been there. */
  #lostTicks = 0
  readonly #runTimeoutMs: number
  readonly #timeoutTokens: number
  readonly #stopTicking: () => void
  #closing: Promise<void> | null = null
  #stopping = false

  constructor(options: PoolOptions) {
    this.#options = options
    this.device = options.init.device
    this.#runTimeoutMs = options.runTimeoutMs ?? DEFAULT_RUN_TIMEOUT_MS
    this.#timeoutTokens = tokensOfTimeout(options.init.manifest)
    this.#givenUp = new GivenUp(options.log, () => this.#replace())
    const { loadTimeoutMs = DEFAULT_LOAD_TIMEOUT_MS } = options
    this.#loading = new LoadWatch(loadTimeoutMs, options.init.latch)
    this.#stopTicking = (options.ticker ?? intervalTicker)(() => this.#tick(), TICK_MS)
  }

  get size(): number {
    return this.#threads.size + this.#starting
  }

  get free(): number {
    return this.#waiting.length > 0 ? 0 : this.#countHolding(0)
  }

  get spare(): number {
    return this.#waiting.length > 0 ? 0 : this.#countHolding(1)
  }

  get busy(): number {
    return this.#threads.size - this.#countHolding(0)
  }

  get crashes(): number {
    return this.#crashes
  }

  get abandoned(): number {
    return this.#givenUp.count
  }

  get stuck(): number {
    return this.#givenUp.total
  }

  get lostMs(): number {
    return this.#threads.size > 0 ? 0 : this.#lostTicks * TICK_MS
  }

  run(job: Job, tokens = 0): Promise<JobResult> {
    const ticksLeft = ticksFor(this.#runTimeoutMs, tokens / this.#timeoutTokens)
    return new Promise((resolve, reject) => {
      this.#start({ job, ticksLeft, resolve, reject })
    })
  }

  addProjection(projection: WireProjection): Promise<void> {
    return this.#tellAll({ type: 'project', projection })
  }

  dropProjection(id: number): Promise<void> {
    return this.#tellAll({ type: 'unproject', projection: id })
  }

  addMemory(memory: WireMemory): Promise<void> {
    return this.#tellAll({ type: 'addMemory', memory })
  }

  dropMemory(id: number): Promise<void> {
    return this.#tellAll({ type: 'dropMemory', memory: id })
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  /** Starts a worker, which has its time to load from now on. */
  startThread(): WorkerThread {
    const { workerUrl, init, prespawned } = this.#options
    const thread = new WorkerThread(workerUrl, init, prespawned)
    this.#loading.add(thread)
    return thread
  }

  /** Takes in a loaded thread that needs nothing of what others have. */
  adopt(thread: WorkerThread): void {
    this.#threads.set(thread, [])
    this.#watch(thread)
  }

  /** Takes in a thread once it has loaded; one that fails is tried again. */
  await(thread: WorkerThread): void {
    this.#track(this.#join(thread))
  }

  async #drain(): Promise<void> {
    while (this.#unfinished.size > 0) await Promise.all(this.#unfinished)
    this.#stopping = true
    this.#stopTicking()
    await Promise.all([...this.#threads.keys()].map((thread) => thread.stop()))
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#unfinished.delete(tracked))
    this.#unfinished.add(tracked)
  }

  #countHolding(jobs: number): number {
    let count = 0
    for (const tasks of this.#threads.values()) if (tasks.length === jobs) count += 1
    return count
  }

  /** A crashed worker is no failure here: its replacement is given all that is live. */
  async #tellAll(message: Ask): Promise<void> {
    this.#held.note(message)
    const answers = [...this.#threads.keys()].map((thread) => thread.ask(message))
    for (const answer of await Promise.allSettled(answers)) {
      if (answer.status === 'rejected' && !isWorkerCrash(answer.reason)) throw answer.reason
    }
  }

  #start(task: Task): void {
    let chosen: [WorkerThread, Task[]] | null = null
    for (const entry of this.#threads) {
      if (chosen === null || entry[1].length < chosen[1].length) chosen = entry
    }
    if (chosen) this.#track(this.#runOn(chosen[0], chosen[1], task))
    else if (this.size > 0) this.#waiting.push(task)
    else
      task.reject(new EspalierError('internal', 'no encoder worker is left: restart the service'))
  }

  async #runOn(thread: WorkerThread, tasks: Task[], task: Task): Promise<void> {
    tasks.push(task)
    try {
      const reply = await thread.ask({ type: 'run', job: task.job })
      if (reply.type === 'result') task.resolve(reply.result)
    } catch (error) {
      if (isWorkerCrash(error)) {
        this.#lose(thread)
        // This job was still queued when the worker crashed: send it again.
        if (tasks[0] !== task) return this.#start(task)
        return task.reject(error)
      }
      task.reject(error as Error)
    }
    tasks.splice(tasks.indexOf(task), 1)
    this.#offer()
  }

  #offer(): void {
    const task = this.#waiting.shift()
    if (task) this.#start(task)
    else this.#options.onFree()
  }

  /** The first job of each thread is the one that runs: nothing has to be started or stopped for a run. */
  #tick(): void {
    this.#lostTicks = this.#threads.size > 0 ? 0 : this.#lostTicks + 1
    for (const [thread, tasks] of [...this.#threads]) {
      const [running] = tasks
      if (!running) continue
      running.ticksLeft -= 1
      if (running.ticksLeft > 0) continue
      this.#threads.delete(thread)
      const stuck = this.#givenUp.add(thread, 'a run', this.size)
      // Before its jobs are told, which look for another worker at once.
      if (stuck.isReplaced) this.#replace()
      thread.abandon(stuck)
    }
    for (const thread of this.#loading.tick()) {
      thread.abandon(this.#givenUp.add(thread, 'loading', this.size))
    }
  }

  #replace(): void {
    if (this.#stopping) return
    this.#track(this.#join(this.startThread()))
  }

  #watch(thread: WorkerThread): void {
    void thread.exited.then(() => this.#lose(thread))
  }

  /** Replaces a thread that has ended, whoever notices first. */
  #lose(thread: WorkerThread): void {
    if (!this.#threads.delete(thread) || this.#stopping) return
    this.#crashes += 1
    this.#options.log.error({ workers: this.size }, 'an encoder worker ended: replacing it')
    this.#replace()
  }

  async #join(started: WorkerThread): Promise<void> {
    this.#starting += 1
    let thread = started
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await thread.ready
          return await this.#equip(thread)
        } catch (error) {
          if (isWorkerStuck(error)) {
            if (error.isReplaced) this.#replace()
            break
          }
          await thread.stop()
          const reason = error instanceof Error ? error.message : String(error)
          this.#options.log.error({ attempt, reason }, 'an encoder worker did not start')
          if (attempt === MAX_FAILED_RESTARTS) break
          thread = this.startThread()
        }
      }
    } finally {
      this.#starting -= 1
    }
    if (this.size > 0) return
    for (const task of this.#waiting.splice(0)) this.#start(task)
    this.#options.onFree()
  }

  /** Takes a loaded thread in; it is in the map before it is given what others have, so nothing is missed. */
  async #equip(thread: WorkerThread): Promise<void> {
    this.#threads.set(thread, [])
    try {
      await Promise.all(this.#held.messages().map((message) => thread.ask(message)))
    } catch (error) {
      // Where a job has noticed first, a replacement is on its way.
      if (!this.#threads.delete(thread)) return
      throw error
    }
    this.#watch(thread)
    this.#offer()
  }
}
