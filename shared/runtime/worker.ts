import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { WorkerInit } from './protocol.ts'
import { serveWorker } from './serve-worker.ts'

void serveWorker(parentPort as MessagePort, workerData as WorkerInit)
