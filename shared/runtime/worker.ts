import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WorkerInit } from './protocol.ts'
import { serveWorker } from './serve-worker.ts'
import { warmRuntime } from './warm-runtime.ts'

/** Loads ONNX Runtime while the main thread verifies the files. */
async function start(port: MessagePort, init: WorkerInit): Promise<void> {
  await warmRuntime()
  await serveWorker(port, init)
}

void start(parentPort as MessagePort, workerData as WorkerInit)
