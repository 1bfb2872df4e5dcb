import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { answerParent } from '../contestants/child.ts'
import type { MatrixOptions, MatrixReply, MatrixRequest, ToThread } from './protocol.ts'

/** The process that runs an encoder's matrix products on as many threads as the engine has workers. */
export async function serveMatrix(options: MatrixOptions, script: string): Promise<void> {
  const threads = Array.from(
    { length: options.workers },
    () => new Worker(script, { workerData: options }),
  )
  await Promise.all(threads.map((thread) => once(thread, 'message')))
  const tell = (message: ToThread) => {
    for (const thread of threads) thread.postMessage(message)
  }
  answerParent<MatrixRequest>(
    'matrix products',
    async ({ runs }): Promise<MatrixReply> => {
      const start = performance.now()
      const done = Promise.all(threads.map((thread) => once(thread, 'message')))
      tell({ type: 'run', runs, next: new Int32Array(new SharedArrayBuffer(4)) })
      await done
      return { kind: 'products', ms: performance.now() - start }
    },
    async () => {
      const ended = Promise.all(threads.map((thread) => once(thread, 'exit')))
      tell({ type: 'stop' })
      await ended
    },
  )
}
