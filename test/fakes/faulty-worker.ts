/** The real encoder worker with the faults of `worker-faults.ts`. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WorkerInit } from '../../shared/runtime/protocol.ts'
import { serveWorker } from '../../shared/runtime/workers/serve-worker.ts'
import { befallLoad, befallRun } from './worker-faults.ts'

const port = parentPort as MessagePort
const init = workerData as WorkerInit
befallLoad(init.artifactDir)
// Listening earlier would take from the queue what the worker is told while it loads.
void serveWorker(port, init).then(() => port.on('message', befallRun))
