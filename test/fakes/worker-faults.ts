import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EncoderInput } from '../../shared/lib/manifests/encoder-input.ts'
import type { ToWorker } from '../../shared/runtime/protocol.ts'

/** An image carries its mark behind its pixels. */
const MARK_BYTES = 300

/**
 * Faults of a worker while a job runs that holds a marked text. `END-WORKER` ends every thread that takes it, `END-ONCE
 * path` only while there is no file at the path. `HANG path` blocks the thread until there is a file at the path, and
 * leaves `path-running` when it begins; an image file may end so too.
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

/** A file `hang-load` in the folder of the artifact, with a path in it, blocks a thread that is to load as `HANG` does. */
export function befallLoad(artifactDir: string): void {
  const marker = join(artifactDir, 'hang-load')
  if (existsSync(marker)) hangUntil(readFileSync(marker, 'utf8'))
}

function textOf(input: EncoderInput): string {
  return typeof input === 'string' ? input : Buffer.from(input.slice(-MARK_BYTES)).toString()
}

function hang(input: EncoderInput): void {
  const path = /\bHANG (\S+)/.exec(textOf(input))?.[1]
  if (path !== undefined) hangUntil(path)
}

function hangUntil(path: string): void {
  if (existsSync(path)) return
  writeFileSync(`${path}-running`, '')
  const never = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync(path)) Atomics.wait(never, 0, 0, 10)
}

function isFatal(input: EncoderInput): boolean {
  const [, verb, path] = /\b(END-WORKER|END-ONCE)(?: (\S+))?/.exec(textOf(input)) ?? []
  if (verb === 'END-WORKER') return true
  if (verb !== 'END-ONCE' || path === undefined || existsSync(path)) return false
  writeFileSync(path, '')
  return true
}
