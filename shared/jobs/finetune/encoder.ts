import { findPrompt } from '../../encoder/prompts.ts'
import type { TrainedHead } from '../../training/types.ts'
import { exportTuned, exportTunedImages } from './export.ts'
import { fitTunedHead, standardMethod, type TunedHead } from './heads.ts'
import type { FineTuneJob } from './job.ts'
import { type TunedWeights, trainWeights } from './train.ts'
import { embedFineTuneRows, type RowVectors, takeTrainingRows } from './vectors.ts'

/** A head on the vectors of the base as it is. */
export interface FrozenSide {
  readonly vectors: RowVectors
  readonly trained: TrainedHead
}

/** The tuned encoder with its head. */
export interface TunedSide {
  readonly weights: TunedWeights
  /** Its artifact folder; null where only the output layer was trained. */
  readonly folder: string | null
  /** At the precision that is served. */
  readonly vectors: RowVectors
  /** The test rows at the other precisions. */
  readonly others: readonly RowVectors[]
  readonly head: TunedHead
  /** Of the stages that follow: a Ctrl-C that ended the training is spent. */
  readonly signal: AbortSignal | undefined
}

/** Fits a head on the frozen encoder's vectors of all training rows, as "espalier train" does. */
export async function fitFrozen(job: FineTuneJob, vectors: RowVectors): Promise<FrozenSide> {
  const { request, data, tools, kernels, watch } = job
  const { onProgress, signal, method, seed, folds, balance, memory } = request
  const standard = standardMethod(data)
  const set = takeTrainingRows(data, vectors, [...data.train.keys()])
  const { family } = vectors.encoder
  const trained = await tools.trainHead(
    set,
    { family, method, seed, folds, balance, memory, standard },
    { kernels, onProgress, signal },
  )
  watch.finish('frozen head')
  return { vectors, trained }
}

/** Trains the encoder, exports it, and fits a head on its vectors. */
export async function tuneEncoder(
  job: FineTuneJob,
  baseFolder: string,
  frozen: FrozenSide,
): Promise<TunedSide> {
  const { request, data, settings, watch } = job
  const prompt = findPrompt(frozen.vectors.encoder, undefined) ?? ''
  const weights = await trainWeights(job, { baseFolder, prompt })
  watch.finish('fine-tuning')
  const signal = weights.cancelled ? undefined : request.signal
  const { folder, vectors, others } =
    settings.trainable.kind === 'head'
      ? { folder: null, vectors: frozen.vectors, others: [] }
      : await exportAndEmbed(job, weights.folder, signal)
  watch.finish('export and embedding')
  const tunedVectors = {
    family: vectors.encoder.family,
    learnt: takeTrainingRows(data, vectors, data.learntRows),
    validation: takeTrainingRows(data, vectors, data.validationRows),
  }
  const head = await fitTunedHead(job, tunedVectors, weights.result, signal)
  watch.finish('heads')
  return { weights, folder, vectors, others, head, signal }
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
  const embedding = { model: folder, onProgress, signal }
  const vectors = await embedFineTuneRows(deps, data, { ...embedding, precision })
  const others: RowVectors[] = []
  for (const other of precisions.slice(1)) {
    if (data.test.length === 0) break
    const at = { ...embedding, precision: other, testOnly: true }
    others.push(await embedFineTuneRows(deps, data, at))
  }
  return { folder, vectors, others }
}
