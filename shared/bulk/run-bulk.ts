import { type EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { agreeOnJob, type BulkJob, JOB_FILE } from './job-file.ts'
import type { BulkPlace } from './place.ts'
import type { BulkPlan } from './plan.ts'
import type { BulkReading } from './rows.ts'
import {
  type BulkEngine,
  type BulkFormat,
  type BulkTask,
  type BulkTaskResult,
  runBulkTask,
} from './shard.ts'

/** The work of one process. */
export interface BulkRequest {
  readonly input: BulkPlace
  readonly output: BulkPlace
  readonly plan: BulkPlan
  readonly reading: Omit<BulkReading, 'deal'>
  readonly format: BulkFormat
  /** Opens the engine once something is left to do, and says what the results are made with. */
  readonly openEngine: () => Promise<{
    readonly engine: BulkEngine
    readonly job: BulkJob
    close(): Promise<void>
  }>
  readonly onFile?: ((task: BulkTask, result: BulkTaskResult) => void) | undefined
  /** A file that cannot be read; the others are done all the same. */
  readonly onFailure?: ((task: BulkTask, error: EspalierError) => void) | undefined
  readonly onProgress?: Progress | undefined
  readonly signal: AbortSignal
}

/** What a process has done. */
export interface BulkSummary extends Omit<BulkTaskResult, 'created'> {
  readonly files: number
  /** Results that were there already. */
  readonly skipped: number
  readonly failed: number
}

/** One file is finished and the next begun while others are computed, so that no worker thread waits. */
const FILES_AT_ONCE = 2

/**
 * Computes the files of a plan whose results are not there yet. Running it again, or twice at once, does no harm:
 * a result appears whole and once.
 * @throws EspalierError for what stops all files: the engine, the places, another job's output
 */
export async function runBulk(request: BulkRequest): Promise<BulkSummary> {
  const { input, output, plan, reading, format, signal } = request
  const total = { files: 0, skipped: 0, failed: 0, rows: 0, bad: 0, tokens: 0, truncated: 0 }
  const left: BulkTask[] = []
  for (const task of plan.tasks) {
    signal.throwIfAborted()
    if (await output.has(task.output, signal)) total.skipped++
    else left.push(task)
  }
  await output.removeLeftovers?.([JOB_FILE, ...plan.tasks.map((task) => task.output)])
  if (left.length === 0) return total
  const { engine, job, close } = await request.openEngine()
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const queue = left.values()
  let shown = 0
  const work = async (): Promise<void> => {
    for (const task of queue) {
      both.throwIfAborted()
      let before = 0
      const onProgress = (rows: number): void => {
        shown += rows - before
        before = rows
        request.onProgress?.('rows', shown, 0)
      }
      try {
        const options = { reading: { ...reading, deal: plan.deal }, format, onProgress }
        const done = await runBulkTask(engine, { input, output }, task, {
          ...options,
          signal: both,
        })
        total.files++
        for (const key of ['rows', 'bad', 'tokens', 'truncated'] as const) total[key] += done[key]
        request.onFile?.(task, done)
      } catch (error) {
        // A shard at fault does not hold up the others; what befalls every shard does.
        if (both.aborted || !isFileFault(error, input.open(task.file).name)) {
          stop.abort(error)
          throw error
        }
        total.failed++
        request.onFailure?.(task, error)
      }
    }
  }
  try {
    await agreeOnJob(output, job, signal)
    const ended = await Promise.allSettled(Array.from({ length: FILES_AT_ONCE }, work))
    signal.throwIfAborted()
    // The first failure stopped the others, which then only say that they were stopped.
    if (stop.signal.aborted) throw stop.signal.reason
    const failed = ended.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return total
  } finally {
    await close()
  }
}

/** True where an error is about the file that was read, as against the place that is written to. */
function isFileFault(error: unknown, name: string): error is EspalierError {
  return isEspalierError(error, 'invalid_data') && error.param === name
}
