/**
 * Puts the faults of `worker-faults.ts` into the worker threads of a program that is built as it is: the bundle of
 * this file is loaded into every thread with `NODE_OPTIONS=--require`.
 */
import { isMainThread, type MessagePort, parentPort } from 'node:worker_threads'
import type { ToWorker } from '../../shared/runtime/protocol.ts'
import { befallRun } from './worker-faults.ts'

if (!isMainThread && parentPort !== null) hook(parentPort)

/** The faults come before the worker's own listener: a thread that hangs has not begun with the run. */
function hook(port: MessagePort): void {
  const { on } = port
  port.on = function listen(this: MessagePort, event: string, listener: (value: ToWorker) => void) {
    if (event !== 'message') return Reflect.apply(on, this, [event, listener])
    return Reflect.apply(on, this, [
      event,
      (message: ToWorker) => {
        befallRun(message)
        listener(message)
      },
    ])
  } as typeof on
}
