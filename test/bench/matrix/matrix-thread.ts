import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { MatrixOptions, ToThread } from './protocol.ts'
import { openProducts } from './run-products.ts'

/** One thread of the matrix products: takes the next run until none is left, as the engine's workers do. */
export async function runMatrixThread(): Promise<void> {
  const port = parentPort as MessagePort
  const { shape, precision, runs } = workerData as MatrixOptions
  const products = await openProducts(shape, precision, runs)
  port.on('message', async (message: ToThread) => {
    if (message.type === 'stop') {
      await products.release()
      return port.close()
    }
    for (;;) {
      const run = message.runs[Atomics.add(message.next, 0, 1)]
      if (run === undefined) break
      await products.run(run)
    }
    port.postMessage('done')
  })
  port.postMessage('ready')
}
