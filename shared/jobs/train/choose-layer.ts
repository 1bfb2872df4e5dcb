import type { EncoderInfo } from '../../encoder/types.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { Progress } from '../../lib/logger.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { Registry } from '../../registry/types.ts'
import type { ReportLayer } from '../../reports/types.ts'
import { publishModel } from '../../versions/publish-model.ts'
import type { TrainingData } from '../heads/data.ts'
import { toTrainingSet } from '../heads/evaluation.ts'
import { inputOf, readableData } from '../heads/leave-out-unreadable.ts'
import type { LayerOptions, TrainHeadDeps, TrainHeadRequest } from '../heads/request.ts'
import { loadTraining } from '../heads/tools.ts'
import { embedForJob } from '../rows/embed-for-job.ts'

/** The layer that a head is trained on. */
export interface ChosenLayer {
  /** What was compared; undefined where there was no choice. */
  readonly report: readonly ReportLayer[] | undefined
  readonly folder: string
  /** False for the layer that the network is served at anyway. */
  readonly isOther: boolean
}

/** LogME is cubic in the rows that it sees. */
const LOGME_ROWS = 500

/**
 * Compares the layers by cross-validation on the training rows and chooses one: of those whose accuracy is within a
 * standard error of the best, the one with the highest LogME.
 * @throws EspalierError `invalid_request` for a layer that is not there, `wrong_modality` for texts
 */
export async function chooseLayer(
  deps: TrainHeadDeps,
  { network, layers, openArtifact }: LayerOptions,
  data: TrainingData,
  request: TrainHeadRequest,
): Promise<ChosenLayer> {
  const { onProgress, signal } = request
  if (data.modality !== 'image') {
    const message = 'layers are those of image encoders, and the data are texts; leave --layer out'
    throw new EspalierError('wrong_modality', message)
  }
  const [only, ...more] = layers
  if (only === undefined) throw new Error('no layer to train on')
  const options = { onProgress, signal }
  const tried: (ReportLayer & { readonly folder: string })[] = []
  if (more.length === 0) {
    const { folder } = await network.prepare(only, options)
    return { report: undefined, folder, isOther: only !== network.standard }
  }
  const kernels = await deps.openKernels()
  try {
    for (const layer of layers) {
      const { folder } = await network.prepare(layer, options)
      const openEncoder = (progress?: Progress) => openArtifact(folder, progress)
      const measured = await measureLayer({ ...deps, openEncoder }, kernels, data, request)
      tried.push({ ...measured, name: layer, chosen: false, folder })
    }
  } finally {
    await kernels.close()
  }
  const chosen = pickLayer(tried, data.train.length)
  const report = tried.map(({ folder: _, ...layer }) => ({
    ...layer,
    chosen: layer.name === chosen.name,
  }))
  return { report, folder: chosen.folder, isOther: chosen.name !== network.standard }
}

/** Cross-validates a plain softmax on the features of a layer, and asks LogME what they promise. */
async function measureLayer(
  deps: TrainHeadDeps,
  kernels: MatrixKernels,
  { train, ...data }: TrainingData,
  request: TrainHeadRequest,
): Promise<Pick<ReportLayer, 'dimension' | 'accuracy' | 'nll' | 'logMe'>> {
  const { seed, folds, balance, method, onProgress, signal } = request
  const check = () => {}
  const embedded = await embedForJob(deps, train.map(inputOf), { check, onProgress, signal })
  const { encoder, embeddings, unreadable } = embedded
  const readable = readableData({ ...data, train, test: [] }, embeddings, unreadable)
  const { classes: labels, multiLabel } = data
  const rows = readable.data.train
  const set = toTrainingSet(rows, readable.trainVectors, encoder.dimension, { labels, multiLabel })
  const tools = await loadTraining()
  const { crossValidation } = await tools.trainHead(
    set,
    {
      family: encoder.family,
      method: method === 'auto' ? 'softmax' : method,
      seed,
      folds,
      balance,
      memory: false,
    },
    { kernels, onProgress, signal },
  )
  return {
    dimension: encoder.dimension,
    accuracy: crossValidation?.accuracy ?? null,
    nll: crossValidation?.nll ?? null,
    logMe: set.targets === null ? null : await tools.scoreLayer(set, LOGME_ROWS, seed),
  }
}

function pickLayer<T extends ReportLayer>(layers: readonly T[], rows: number): T {
  const best = Math.max(...layers.map(({ accuracy }) => accuracy ?? 0))
  const error = Math.sqrt((best * (1 - best)) / Math.max(1, rows))
  const close = layers.filter(({ accuracy }) => (accuracy ?? 0) >= best - error)
  const promise = ({ logMe }: T) => logMe ?? Number.NEGATIVE_INFINITY
  return close.reduce((a, b) => (promise(b) > promise(a) ? b : a))
}

/**
 * Publishes the encoder of a layer, unless the registry has it; a head is served by the encoder that it was trained on.
 * @returns the encoder as the registry has it
 */
export async function publishLayer(
  registry: Registry,
  encoder: EncoderInfo,
  folder: string,
  { by, signal }: Pick<TrainHeadRequest, 'by' | 'signal'>,
): Promise<EncoderInfo> {
  const { name, family } = encoder
  for (const number of await registry.listVersions(name, { signal })) {
    const present = await registry.getVersion(name, number, { signal })
    if (present.kind === 'embedding' && present.family === family) {
      return { ...encoder, version: number }
    }
  }
  const { version } = await publishModel(
    { registry, builtinEncoders: async () => [] },
    { path: folder, name, kind: 'embedding', by, promote: false, signal },
  )
  return { ...encoder, version: version.version }
}
