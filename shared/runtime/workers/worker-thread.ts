import type { Worker } from 'node:worker_threads'
import { EspalierError } from '../../lib/errors.ts'
import { type FromWorker, fromWireError, type ToWorker, type WorkerInit } from '../protocol.ts'
import type { PrespawnedWorker } from './prespawned-worker.ts'
import { startThread } from './start-thread.ts'

type Reply = Extract<FromWorker, { readonly id: number }>
type Question = Exclude<ToWorker, { readonly type: 'stop' }>
/** A message before the thread gives it a number. */
export type Ask = Question extends infer M ? (M extends Question ? Omit<M, 'id'> : never) : never

interface Pending {
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** The thread ended without being asked to; what it was doing may be tried elsewhere. */
export class WorkerCrash extends Error {
  override readonly name: string = 'WorkerCrash'
}

/** The thread did not come back from a run, or from loading, in time and was given up; it may still be busy with it. */
export class WorkerStuck extends WorkerCrash {
  override readonly name = 'WorkerStuck'
  /** Whether a fresh worker has taken its place. */
  readonly isReplaced: boolean

  constructor(isReplaced: boolean, what: 'a run' | 'loading' = 'a run') {
    super(`an encoder worker did not come back from ${what}`)
    this.isReplaced = isReplaced
  }
}

/** One worker thread: questions in, answers out, an orderly end. Never terminated. */
export class WorkerThread {
  /** Resolves when loaded; rejects with the reason when loading failed. */
  readonly ready: Promise<void>
  /** Resolves when the thread has ended, however it ended. */
  readonly exited: Promise<void>
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #ended: Error | null = null
  #rejectReady: (error: Error) => void = () => {}

  constructor(url: URL, init: WorkerInit, prespawned?: PrespawnedWorker) {
    const worker = prespawned?.take(init) ?? startThread(url, init)
    this.#worker = worker
    let crash: Error | null = null
    let resolveReady: () => void
    this.ready = new Promise((resolve, reject) => {
      resolveReady = resolve
      this.#rejectReady = reject
    })
    this.ready.catch(() => {})
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') resolveReady()
      else if (message.type === 'failed') this.#rejectReady(fromWireError(message.error))
      else this.#settle(message)
    })
    worker.on('error', (error) => {
      crash = error
    })
    this.exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        const reason = crash ? crash.message : `exit code ${code}`
        const error = new WorkerCrash(`an encoder worker ended: ${reason}`, { cause: crash })
        this.#ended = error
        this.#rejectReady(error)
        this.#rejectAll(error)
        resolve()
      })
    })
  }

  /**
   * Sends a message and waits for its answer.
   * @throws WorkerCrash if the thread ends first, else the worker's own EspalierError
   */
  ask(message: Ask): Promise<Reply> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ ...message, id })
    })
  }

  /** Queues the end behind everything asked so far; resolves when the thread is gone. */
  stop(): Promise<void> {
    if (!this.#ended) this.#worker.postMessage({ type: 'stop' } satisfies ToWorker)
    return this.exited
  }

  /**
   * Gives the thread up: it fails to load, all that it was asked fails, and it ends by itself should it ever come back.
   * Ending it by force inside ONNX Runtime would abort the process.
   */
  abandon(reason: WorkerStuck): void {
    if (this.#ended) return
    this.#ended = reason
    this.#worker.postMessage({ type: 'stop' } satisfies ToWorker)
    this.#rejectReady(reason)
    this.#rejectAll(reason)
  }

  #rejectAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (reply.type === 'error') pending?.reject(fromWireError(reply.error))
    else pending?.resolve(reply)
  }
}

/** True for the sudden end of a thread. */
export function isWorkerCrash(error: unknown): error is WorkerCrash {
  return error instanceof WorkerCrash
}

/** True for a thread that did not come back. */
export function isWorkerStuck(error: unknown): error is WorkerStuck {
  return error instanceof WorkerStuck
}

/** The error of a crash as callers see it. */
export function crashError(cause: unknown): EspalierError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new EspalierError('internal', `this input failed on two workers: ${reason}`, { cause })
}
