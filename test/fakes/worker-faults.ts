import { existsSync, writeFileSync } from 'node:fs'
import type { EncoderInput } from '../../shared/lib/manifests/encoder-input.ts'
import type { ToWorker } from '../../shared/runtime/protocol.ts'

/**
 * Faults of a worker while a job runs that holds a marked text. `END-WORKER` ends every thread that takes it, `END-ONCE
 * path` only while there is no file at the path. `HANG path` blocks the thread until there is a file at the path, and
 * leaves `path-running` when it begins.
 */
export function befallRun(message: ToWorker): void {
  if (message.type !== 'run') return
  message.job.inputs.forEach(hang)
  if (!message.job.inputs.some(isFatal)) return
  // Behind the start of the run: the job is under way when the thread ends.
  setImmediate(() => {
    throw new Error('a fault in a run')
  })
}

function hang(text: EncoderInput): void {
  const path = typeof text === 'string' ? /\bHANG (\S+)/.exec(text)?.[1] : undefined
  if (path === undefined || existsSync(path)) return
  writeFileSync(`${path}-running`, '')
  const never = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync(path)) Atomics.wait(never, 0, 0, 10)
}

function isFatal(text: EncoderInput): boolean {
  if (typeof text !== 'string') return false
  const [, verb, path] = /\b(END-WORKER|END-ONCE)(?: (\S+))?/.exec(text) ?? []
  if (verb === 'END-WORKER') return true
  if (verb !== 'END-ONCE' || path === undefined || existsSync(path)) return false
  writeFileSync(path, '')
  return true
}
