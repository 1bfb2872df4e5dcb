import { findPrompt } from '../../encoder/prompts.ts'
import type { FineTuneResult } from '../../finetune/types.ts'
import { type Head, isSameReading } from '../../head/head.ts'
import { EspalierError } from '../../lib/errors.ts'
import { precisionSchema } from '../../lib/manifests/encoder-manifest.ts'
import type { Wording } from '../../lib/wording.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type { ReportFineTuning } from '../../reports/types.ts'
import type { FittedHead } from '../heads/make-head.ts'
import { fitHead } from '../heads/tools.ts'
import { type RowVectors, takeTrainingRows } from '../heads/vectors.ts'
import { exportTuned, exportTunedImages } from './export.ts'
import type { FineTuneJob } from './job.ts'
import { trainWeights } from './train-weights.ts'
import { fitTunedHead } from './tuned-head.ts'
import { embedReadable } from './vectors.ts'

/**
 * A tuned encoder with its head; the frozen head is the first of the rivals. Where tuning does not pay it is the
 * frozen head itself, without rivals.
 */
export interface FineTunedHead extends FittedHead {
  readonly job: FineTuneJob
  /** Vectors of the base as it is. */
  readonly base: RowVectors
  readonly result: FineTuneResult
  /** What went differently from what was asked for, in sentences. */
  readonly notes: readonly Wording[]
  /** The artifact folder of the tuned encoder; null where the base stays as it was. */
  readonly folder: string | null
  /** Where the head comes from. */
  readonly choice: ReportFineTuning['head']
}

/** Fits a head on the base as it is, trains the encoder, exports it, and fits a head on its vectors. */
export async function fitTuned(
  job: FineTuneJob,
  baseFolder: string,
  base: RowVectors,
): Promise<FineTunedHead> {
  const { request, data, watch } = job
  const frozen = await fitFrozen(job, base)
  watch.finish('frozen head')
  const prompt = findPrompt(base.encoder, undefined) ?? ''
  const weights = await trainWeights(job, { baseFolder, prompt })
  watch.finish('fine-tuning')
  const { result, notes, refusal } = weights
  const signal = weights.cancelled ? undefined : request.signal
  const common = { job, base, result, notes, signal }
  if (refusal !== undefined) {
    const why = `${frozen.trained.method} on the vectors of the base: no tuned weights were kept`
    return { ...frozen, ...common, folder: null, refusal, choice: { chosen: 'refitted', why } }
  }
  const { folder, vectors, others } =
    job.settings.trainable.kind === 'head'
      ? { folder: null, vectors: base, others: [] }
      : await exportAndEmbed(job, weights.folder, signal)
  watch.finish('export and embedding')
  const learnt = takeTrainingRows(data, vectors, data.learntRows)
  const { head, method, choice } = await fitTunedHead(
    job,
    {
      family: vectors.encoder.family,
      learnt,
      validation: takeTrainingRows(data, vectors, data.validationRows),
    },
    result,
    signal,
  )
  watch.finish('heads')
  // What cross-validation says of rows that the encoder has learnt says nothing of others.
  const trained = { head, method, why: choice.why, candidates: [], crossValidation: null }
  return {
    ...common,
    ...{ trained, learnt, vectors, folder, choice },
    rivals: [frozen, ...others.map((other) => ({ trained, vectors: other }))],
    embedFor: (champion, head) => embedFor(job, base, { champion, head }, signal),
  }
}

/** Fits a head on the frozen encoder's vectors of all training rows, as a training does. */
async function fitFrozen(job: FineTuneJob, vectors: RowVectors) {
  const { request, data } = job
  const learnt = takeTrainingRows(data, vectors)
  const trained = await fitHead(job, learnt, vectors.encoder.family, request, data.modality)
  return { trained, learnt, vectors }
}

async function exportAndEmbed(
  { deps, request, data, scratch, precisions }: FineTuneJob,
  weights: string,
  signal: AbortSignal | undefined,
) {
  const { encoderName: name, precision, onProgress } = request
  const common = { weights, scratch, name, onProgress, signal }
  const texts = data.learnt.map(({ text }) => text)
  const folder =
    data.modality === 'image'
      ? await exportTunedImages(deps, common)
      : await exportTuned(deps, { ...common, precisions, texts })
  const choice = { model: folder, reading: request.textReading, onProgress, signal }
  const vectors = await embedReadable(deps, data, { ...choice, precision })
  const others: RowVectors[] = []
  const { test } = data
  for (const other of test.length > 0 ? precisions.slice(1) : []) {
    const at = { ...choice, precision: other }
    others.push(await embedReadable(deps, { train: [], test }, at))
  }
  return { folder, vectors, others }
}

/** The test rows on the encoder of a champion: the base, or another one of the registry. */
async function embedFor(
  { deps, request, data: { test } }: FineTuneJob,
  base: RowVectors,
  { champion, head }: { readonly champion: RegistryVersion; readonly head: Head },
  signal: AbortSignal | undefined,
): Promise<Float32Array | null> {
  const { family, lineage } = champion
  const { onProgress, textReading } = request
  const isBase = family === base.encoder.family
  if (isBase && isSameReading(head.reading, textReading)) return base.test
  const known = isBase ? request.base : lineage?.encoder
  if (known === undefined) return null
  const precision = isBase
    ? request.precision
    : (precisionSchema.safeParse(lineage?.precision).data ?? request.precision)
  try {
    const { reading } = head
    const choice = { model: known, precision, reading, onProgress, signal }
    const found = await embedReadable(deps, { train: [], test }, choice)
    return found.encoder.family === family ? found.test : null
  } catch (error) {
    // An encoder that has gone leaves the champion uncompared, no more.
    if (error instanceof EspalierError && error.code !== 'request_cancelled') return null
    throw error
  }
}
