import type { Encoder, EncoderInfo } from '../../encoder/types.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { Progress } from '../../lib/logger.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { option, say } from '../../lib/wording.ts'
import type { ReportLayer } from '../../reports/types.ts'
import { publishModel } from '../../versions/publish-model.ts'
import type { TrainingData } from '../heads/data.ts'
import { learntLabels } from '../heads/hold-out.ts'
import { keepTogether } from '../heads/keep-together.ts'
import type { EncoderBelow } from '../heads/make-head.ts'
import type { LayerOptions, TrainHeadDeps, TrainHeadRequest } from '../heads/request.ts'
import { type Compute, fitHead, loadTraining, PLAIN } from '../heads/tools.ts'
import { embedData, takeTrainingRows } from '../heads/vectors.ts'

/** A training under way. */
interface Training {
  readonly deps: TrainHeadDeps
  readonly request: TrainHeadRequest
}

/** The layer that a head is trained on. */
export interface ChosenLayer {
  /** What was compared; undefined where there was no choice. */
  readonly report: readonly ReportLayer[] | undefined
  readonly folder: string
  /** False for the layer that the network is served at anyway. */
  readonly isOther: boolean
  readonly openEncoder: (onProgress?: Progress | undefined) => Promise<Encoder>
}

/** LogME is cubic in the rows that it sees. */
const LOGME_ROWS = 500

/**
 * Compares the layers by cross-validation on the training rows and chooses one: of those whose accuracy is within a
 * standard error of the best, the one with the highest LogME.
 * @throws EspalierError `invalid_request` for a layer that is not there, `wrong_modality` for texts
 */
export async function chooseLayer(
  { deps, request }: Training,
  { network, layers, openArtifact }: LayerOptions,
  data: TrainingData,
): Promise<ChosenLayer> {
  if (data.modality !== 'image') {
    const message = say`layers are those of image encoders, and the data are texts; leave ${option('layer')} out`
    throw new EspalierError('wrong_modality', message)
  }
  const [only, ...more] = layers
  if (only === undefined) throw new Error('no layer to train on')
  const openerOf = (folder: string) => (progress?: Progress) => openArtifact(folder, progress)
  if (more.length === 0) {
    const { folder } = await network.prepare(only, request)
    const isOther = only !== network.standard
    return { report: undefined, folder, isOther, openEncoder: openerOf(folder) }
  }
  const tried: (ReportLayer & { readonly folder: string })[] = []
  const kernels = await deps.openKernels()
  try {
    const compute = { tools: await loadTraining(), kernels }
    for (const layer of layers) {
      const { folder } = await network.prepare(layer, request)
      const training = { deps: { ...deps, openEncoder: openerOf(folder) }, request }
      const measured = await measureLayer(training, compute, data)
      tried.push({ ...measured, name: layer, chosen: false, folder })
    }
  } finally {
    await kernels.close()
  }
  const { name, folder } = pickLayer(tried, data.train.length)
  const report = tried.map(({ folder: _, ...layer }) => ({ ...layer, chosen: layer.name === name }))
  return { report, folder, isOther: name !== network.standard, openEncoder: openerOf(folder) }
}

/** Cross-validates a plain softmax on the features of a layer, and asks LogME what they promise. */
async function measureLayer(
  { deps, request }: Training,
  compute: Compute,
  data: TrainingData,
): Promise<Pick<ReportLayer, 'dimension' | 'accuracy' | 'nll' | 'logMe'>> {
  const { seed, method, onProgress, signal } = request
  const alone = {
    ...data,
    ...{ classes: learntLabels(data), test: [], testSummary: null, times: undefined },
    order: new Map(data.train.map((example, at) => [example, at])),
  }
  const found = await embedData(deps, alone, { onProgress, signal })
  const embedded = await keepTogether(found, { ...request, testFraction: 0 }, compute)
  const { encoder } = embedded.vectors
  const set = takeTrainingRows(embedded.data, embedded.vectors)
  const plain = { ...request, ...PLAIN, method: method === 'auto' ? 'softmax' : method }
  const { crossValidation } = await fitHead(compute, set, encoder.family, plain, data.modality)
  return {
    dimension: encoder.dimension,
    accuracy: crossValidation?.accuracy ?? null,
    nll: crossValidation?.nll ?? null,
    logMe: set.targets === null ? null : await compute.tools.scoreLayer(set, LOGME_ROWS, seed),
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
 * The layer that is served anyway is left alone.
 */
export async function publishLayer(
  { deps: { registry }, request: { dryRun, by, signal } }: Training,
  { name, version, family }: EncoderInfo,
  layer: ChosenLayer | undefined,
): Promise<EncoderBelow> {
  const below = (number: number) => ({
    model: formatModelVersion({ name, version: number }),
    version: null,
  })
  if (layer?.isOther !== true || dryRun) return below(version)
  for (const number of await registry.listVersions(name, { signal })) {
    const present = await registry.getVersion(name, number, { signal })
    if (present.kind === 'embedding' && present.family === family) return below(number)
  }
  const published = await publishModel(
    { registry, builtinEncoders: async () => [] },
    { path: layer.folder, name, kind: 'embedding', by, promote: false, signal },
  )
  return below(published.version.version)
}
