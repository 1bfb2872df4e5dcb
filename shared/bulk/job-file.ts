import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'
import { option, say } from '../lib/wording.ts'
import type { BulkPlace } from './place.ts'

/** Lies beside the results and says what all of them are made with. */
export const JOB_FILE = '_job.json'

const jobSchema = z.object({
  schema: z.literal(1),
  /** `name@v7` of the encoder, or of the classifier where there is one. */
  model: z.string(),
  fingerprint: z.string(),
  to: z.enum(['jsonl', 'npy']),
  /** Everything else that changes results. */
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})

/** What the results of one output place have in common. */
export type BulkJob = z.infer<typeof jobSchema>

/**
 * What an output place was begun with; null where nothing is there yet.
 * @throws EspalierError `invalid_data` where the file is not ours
 */
export async function readJob(output: BulkPlace, signal: AbortSignal): Promise<BulkJob | null> {
  const text = await output.readText(JOB_FILE, signal)
  if (text === null) return null
  try {
    return jobSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new EspalierError(
      'invalid_data',
      say`${output.url}: ${JOB_FILE} cannot be read; choose another ${option('output')}`,
      { cause },
    )
  }
}

/**
 * Writes down what the results are made with, or checks it where a worker has done so before.
 * @throws EspalierError `invalid_request` where it is another model or setting
 */
export async function agreeOnJob(
  output: BulkPlace,
  job: BulkJob,
  signal: AbortSignal,
): Promise<void> {
  const text = `${JSON.stringify(job, null, 2)}\n`
  let begun = await readJob(output, signal)
  if (begun === null) {
    if ((await output.createText(JOB_FILE, text, signal)) === 'created') return
    begun = await readJob(output, signal)
  }
  if (begun === null) return
  const differs = findDifference(begun, job)
  if (differs === null) return
  throw new EspalierError(
    'invalid_request',
    say`${output.url} was begun with ${differs}; use the same, or choose another ${option('output')}`,
  )
}

function findDifference(begun: BulkJob, job: BulkJob): string | null {
  for (const key of ['model', 'fingerprint', 'to'] as const) {
    if (begun[key] !== job[key]) return `${key} ${begun[key]}, not ${job[key]}`
  }
  for (const key of new Set([...Object.keys(begun.settings), ...Object.keys(job.settings)])) {
    const [was, is] = [begun.settings[key] ?? null, job.settings[key] ?? null]
    if (was !== is) return `${key} ${was ?? 'unset'}, not ${is ?? 'unset'}`
  }
  return null
}
