import { EspalierError } from '../../lib/errors.ts'
import type { Job, JobResult, WireMemory, WireProjection } from '../protocol.ts'
import type { Device } from '../session.ts'
import type { Pool, PoolOptions } from './pool.ts'
import { DEFAULT_RUN_TIMEOUT_MS, intervalTicker, TICK_MS, ticksFor } from './run-deadline.ts'
import { type Ask, isWorkerCrash, WorkerStuck, WorkerThread } from './worker-thread.ts'

/** A worker that cannot be started this often in a row is given up; the others go on. */
const MAX_FAILED_RESTARTS = 3
/** Threads that did not come back keep their memory; more than this many at a time are not replaced. */
const MAX_ABANDONED = 2

/** Starts one worker of a pool. */
export function startWorkerThread({ workerUrl, init, prespawned }: PoolOptions): WorkerThread {
  return new WorkerThread(workerUrl, init, prespawned)
}

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
  /** Jobs that found no worker, and those that waited in one that ended. */
  readonly #waiting: Task[] = []
  readonly #projections = new Map<number, WireProjection>()
  readonly #memories = new Map<number, WireMemory>()
  readonly #unfinished = new Set<Promise<void>>()
  #starting = 0
  #crashes = 0
  #abandoned = 0
  #stuck = 0
  /** Abandoned workers without a replacement. */
  #missing = 0
  /** Ticks since no worker has been there. */
  #lostTicks = 0
  readonly #runTimeoutMs: number
  readonly #stopTicking: () => void
  #closing: Promise<void> | null = null
  #stopping = false

  constructor(options: PoolOptions) {
    this.#options = options
    this.device = options.init.device
    this.#runTimeoutMs = options.runTimeoutMs ?? DEFAULT_RUN_TIMEOUT_MS
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
    return this.#abandoned
  }

  get stuck(): number {
    return this.#stuck
  }

  get lostMs(): number {
    return this.#threads.size > 0 ? 0 : this.#lostTicks * TICK_MS
  }

  run(job: Job, tokens = 0): Promise<JobResult> {
    const ticksLeft = ticksFor(tokens, this.#runTimeoutMs)
    return new Promise((resolve, reject) => {
      this.#start({ job, ticksLeft, resolve, reject })
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
    await this.#askAll({ type: 'addMemory', memory })
  }

  async dropMemory(id: number): Promise<void> {
    this.#memories.delete(id)
    await this.#askAll({ type: 'dropMemory', memory: id })
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
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
  async #askAll(message: Ask): Promise<void> {
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
      if (running.ticksLeft <= 0) this.#abandon(thread)
    }
  }

  /** Gives up a thread that does not come back; it is replaced while few of its kind are left behind. */
  #abandon(thread: WorkerThread): void {
    this.#threads.delete(thread)
    this.#stuck += 1
    const isReplaced = this.#abandoned < MAX_ABANDONED
    this.#abandoned += 1
    const message = isReplaced ? 'replacing it' : 'too many are given up to replace it'
    const counts = { workers: this.size, abandoned: this.#abandoned }
    this.#options.log.error(counts, `an encoder worker does not come back from a run: ${message}`)
    void thread.exited.then(() => this.#cameBack())
    // Before its jobs are told, which look for another worker at once.
    if (isReplaced) this.#replace()
    else this.#missing += 1
    thread.abandon(new WorkerStuck(isReplaced))
  }

  /** An abandoned thread has ended by itself and left its memory. */
  #cameBack(): void {
    this.#abandoned -= 1
    if (this.#missing === 0 || this.#stopping) return
    this.#missing -= 1
    this.#replace()
  }

  #replace(): void {
    this.#track(this.#join(startWorkerThread(this.#options)))
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
          await thread.stop()
          const reason = error instanceof Error ? error.message : String(error)
          this.#options.log.error({ attempt, reason }, 'an encoder worker did not start')
          if (attempt === MAX_FAILED_RESTARTS) break
          thread = startWorkerThread(this.#options)
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
      const live: Ask[] = []
      for (const memory of this.#memories.values()) live.push({ type: 'addMemory', memory })
      for (const projection of this.#projections.values()) {
        live.push({ type: 'project', projection })
      }
      await Promise.all(live.map((message) => thread.ask(message)))
    } catch (error) {
      // Where a job has noticed first, a replacement is on its way.
      if (!this.#threads.delete(thread)) return
      throw error
    }
    this.#watch(thread)
    this.#offer()
  }
}
