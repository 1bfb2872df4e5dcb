/** The real encoder worker with the faults of `worker-faults.ts`. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WorkerInit } from '../../shared/runtime/protocol.ts'
import { serveWorker } from '../../shared/runtime/workers/serve-worker.ts'
import { befallRun } from './worker-faults.ts'

const port = parentPort as MessagePort
port.on('message', befallRun)
void serveWorker(port, workerData as WorkerInit)
