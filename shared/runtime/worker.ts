import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { waitForGate } from './file-gate.ts'
import type { FromWorker, WorkerInit } from './protocol.ts'
import { serveWorker } from './serve-worker.ts'
import { warmRuntime } from './warm-runtime.ts'

/** Loads ONNX Runtime while the main thread verifies the files, and opens them once it has. */
async function start(port: MessagePort, init: WorkerInit): Promise<void> {
  await warmRuntime()
  if (init.gate === undefined || waitForGate(init.gate)) return serveWorker(port, init)
  const error = { code: 'artifact_corrupt', message: 'the files were not verified' } as const
  port.postMessage({ type: 'failed', error } satisfies FromWorker)
  port.close()
}

void start(parentPort as MessagePort, workerData as WorkerInit)
