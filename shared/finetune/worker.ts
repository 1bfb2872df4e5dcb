import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { type Clock, systemClock } from '../lib/clock.ts'
import { fromWireError, toWireError } from '../runtime/protocol.ts'
import type { FineTuneInit, FromFineTuneWorker, ToFineTuneWorker } from './fine-tune.ts'
import { runFineTune } from './run/run-fine-tune.ts'
import type { FineTuneProgress, FineTuneTools } from './types.ts'

/** Steps may take a millisecond; nobody reads faster than this. */
const PROGRESS_MS = 100

/** Runs one fine-tuning and lets the thread end. */
async function start(port: MessagePort, init: FineTuneInit): Promise<void> {
  const word = new Int32Array(init.cancel)
  const send = (message: FromFineTuneWorker) => port.postMessage(message)
  try {
    const result = await runFineTune(init.request, {
      clock: systemClock,
      isCancelled: () => Atomics.load(word, 0) === 1,
      loadImage: askForImages(port, send),
      onProgress: throttle(systemClock, (progress) => send({ type: 'progress', progress })),
    })
    send({ type: 'done', result })
  } catch (error) {
    send({ type: 'failed', error: toWireError(error) })
  }
  port.close()
}

/** Files come from the thread that has the data. */
function askForImages(
  port: MessagePort,
  send: (message: FromFineTuneWorker) => void,
): FineTuneTools['loadImage'] {
  const waiting = new Map<string, Waiter>()
  port.on('message', (message: ToFineTuneWorker) => {
    const key = keyOf(message.wanted.set, message.wanted.row)
    const waiter = waiting.get(key)
    waiting.delete(key)
    if ('file' in message) waiter?.resolve(message.file)
    else waiter?.reject(fromWireError(message.error))
  })
  return (set, row) =>
    new Promise((resolve, reject) => {
      waiting.set(keyOf(set, row), { resolve, reject })
      send({ type: 'wanted', wanted: { set, row } })
    })
}

interface Waiter {
  resolve(file: Uint8Array): void
  reject(error: Error): void
}

function keyOf(set: string, row: number): string {
  return `${set}[${row}]`
}

/** Passes on the first progress of each phase, and then so many a second. */
function throttle(
  clock: Clock,
  pass: (progress: FineTuneProgress) => void,
): (progress: FineTuneProgress) => void {
  let phase = ''
  let last = 0
  return (progress) => {
    const now = clock.monotonicMs()
    if (progress.phase === phase && now - last < PROGRESS_MS) return
    phase = progress.phase
    last = now
    pass(progress)
  }
}

void start(parentPort as MessagePort, workerData as FineTuneInit)
