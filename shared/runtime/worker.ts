import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { receiveInit } from './early-worker.ts'
import type { WorkerInit } from './protocol.ts'
import { serveWorker } from './serve-worker.ts'
import { warmRuntime } from './warm-runtime.ts'

/** Loads ONNX Runtime while the main thread finds and verifies the files. */
async function start(port: MessagePort, data: WorkerInit | SharedArrayBuffer): Promise<void> {
  await warmRuntime()
  const init = data instanceof SharedArrayBuffer ? receiveInit(port, data) : data
  if (init) await serveWorker(port, init)
  else port.close()
}

void start(parentPort as MessagePort, workerData as WorkerInit | SharedArrayBuffer)
