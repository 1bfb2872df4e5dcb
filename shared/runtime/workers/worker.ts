import { getPriority, setPriority } from 'node:os'
import { platform } from 'node:process'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WorkerInit } from '../protocol.ts'
import type { ProbeInit } from './device-probe.ts'
import { receiveInit } from './prespawned-worker.ts'
import { serveProbe, warmRuntime } from './serve-probe.ts'
import { serveWorker } from './serve-worker.ts'

/**
 * Below the serving thread, which has little to do but should do it at once. It cost neither throughput nor
 * latency where that was measured. On Linux it concerns this thread alone.
 */
const WORKER_NICENESS = 10

/** Only ever lowers it: whoever starts the process with less keeps that, and may not be allowed to raise it. */
function lowerPriority(): void {
  if (platform !== 'linux') return
  try {
    if (getPriority() < WORKER_NICENESS) setPriority(WORKER_NICENESS)
  } catch {
    // A sandbox may forbid both calls; the worker then runs as the process does.
  }
}

type WorkerData = WorkerInit | ProbeInit | SharedArrayBuffer

/** Loads ONNX Runtime while the main thread finds and verifies the files. */
async function start(port: MessagePort, data: WorkerData): Promise<void> {
  if ('probe' in data) return serveProbe(port, data)
  lowerPriority()
  await warmRuntime()
  const init = data instanceof SharedArrayBuffer ? receiveInit(port, data) : data
  if (init) await serveWorker(port, init)
  else port.close()
}

void start(parentPort as MessagePort, workerData as WorkerData)
