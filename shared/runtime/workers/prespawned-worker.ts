import { type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import type { WorkerInit } from '../protocol.ts'
import {
  createVerificationLatch,
  type VerificationLatch,
  waitForLatch,
} from '../verification-latch.ts'
import { startThread } from './start-thread.ts'

/**
 * A worker thread that starts, and loads ONNX Runtime, before anybody knows which encoder it will get: a
 * process that is going to serve begins with it.
 */
export class PrespawnedWorker {
  readonly #latch: VerificationLatch
  readonly #worker: Worker
  readonly #exited: Promise<void>
  /** False once the thread has been handed over, or has ended. */
  #here = true

  /** @param url the bundled worker */
  constructor(url: URL) {
    this.#latch = createVerificationLatch()
    this.#worker = startThread(url, this.#latch.state)
    // The next worker will tell what is wrong.
    const lose = () => {
      this.#here = false
    }
    this.#worker.once('error', lose)
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        lose()
        resolve()
      })
    })
  }

  /** Hands the thread over, once: it goes on as one that was started with `init`. Null if it is gone. */
  take(init: WorkerInit): Worker | null {
    if (!this.#here) return null
    this.#here = false
    this.#worker.postMessage(init)
    this.#latch.open('graph')
    return this.#worker
  }

  /** Ends a thread that nobody has taken. */
  async dispose(): Promise<void> {
    if (!this.#here) return
    this.#here = false
    this.#latch.refuse()
    await this.#exited
  }
}

/** In the thread: blocks until it is taken, and gives what it is to load; null where nobody wants it. */
export function receiveInit(port: MessagePort, state: SharedArrayBuffer): WorkerInit | null {
  // Not by listening: the messages after it are for whoever serves the worker.
  return waitForLatch(state, 'graph') ? (receiveMessageOnPort(port)?.message ?? null) : null
}
