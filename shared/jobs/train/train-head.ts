import { encodeHead } from '../../head/encode.ts'
import type { Head } from '../../head/head.ts'
import { EspalierError } from '../../lib/errors.ts'
import { option, say } from '../../lib/wording.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import { describeRowPlaces } from '../../versions/row-places.ts'
import { repeatWhereFew } from '../heads/baselines.ts'
import { readTrainingData, type TrainingData } from '../heads/data.ts'
import { headFiles, publishOrKeep } from '../heads/keep-unpublished.ts'
import { inputOf } from '../heads/leave-out-unreadable.ts'
import { makeHead } from '../heads/make-head.ts'
import { listSplitInputs } from '../heads/publish.ts'
import type { TrainHeadDeps, TrainHeadRequest, TrainHeadResult } from '../heads/request.ts'
import { settleSplit } from '../heads/settle-split.ts'
import { fitHead } from '../heads/tools.ts'
import { embedData, takeTrainingRows } from '../heads/vectors.ts'
import { embedForJob } from '../rows/embed-for-job.ts'
import { adviseReading } from './advise-reading.ts'
import { chooseLayer, publishLayer } from './choose-layer.ts'

/**
 * Trains a classifier on labelled rows and publishes it as a new version.
 * @throws EspalierError `invalid_data`, `invalid_name`, `wrong_model_kind`, and what encoder and registry throw
 */
export async function trainHead(
  deps: TrainHeadDeps,
  request: TrainHeadRequest,
): Promise<TrainHeadResult> {
  const {
    fit: _fit,
    encoder: _encoder,
    ...result
  } = await makeHead(deps, request, {
    fix: say`pass ${option('test', 'FILE')}`,
    async read() {
      const data = await readTrainingData(request)
      checkAnswers(request, data)
      return data
    },
    async embed(data, options, watch) {
      const layer = deps.layers && (await chooseLayer({ deps, request }, deps.layers, data))
      if (layer?.report) watch.finish('layers')
      return { ...(await embedData(layer ? { ...deps, ...layer } : deps, data, options)), layer }
    },
    split: (set, job) => settleSplit(set, request, job),
    async fit(set, job) {
      const { data, vectors } = set
      const { signal, onProgress } = request
      const learnt = takeTrainingRows(data, vectors)
      const trained = await fitHead(job, learnt, vectors.encoder.family, request, data.modality)
      job.watch.finish('training')
      const found = await adviseReading(deps, request, job, set)
      if (found !== null) job.watch.finish('long texts')
      const told = found && { warnings: [found.warning], advice: [found.advice] }
      return { trained, learnt, vectors, signal, ...told, embedFor }

      /** The test rows as the champion reads them. */
      async function embedFor({ family }: RegistryVersion, { reading }: Head) {
        if (family !== vectors.encoder.family) return null
        const inputs = data.test.map(inputOf)
        return (await embedForJob(deps, inputs, { reading, onProgress, signal })).embeddings
      }
    },
    repeat: ({ data, vectors }, job) => repeatWhereFew(job, data, vectors, request),
    publishEncoder({ layer, vectors }, { trained }) {
      const { encoder } = vectors
      const head = { name: request.name, content: headFiles(encodeHead(trained.head)) }
      const kept = layer ? [{ name: encoder.name, content: layer.folder }, head] : []
      return publishOrKeep(deps, () => publishLayer({ deps, request }, encoder, layer), kept)
    },
    report: ({ layer }) => ({ layers: layer?.report }),
    origin({ data }, _fit, { encoder }) {
      const { method, seed, folds, balance = false, memory, textReading, dropSuspects } = request
      const { optimise, classWeight, precisionAt } = request
      const split = listSplitInputs(request, data)
      const aims = { optimise, classWeight, precisionAt }
      const fit = { method, seed, folds, balance, memory, textReading, dropSuspects, ...split }
      const inputs = [encoder.fingerprint, { ...fit, ...aims }]
      const lineage = describeRowPlaces({ train: request.data, test: request.test })
      return { settings: request, lineage, inputs }
    },
  })
  return result
}

/** @throws EspalierError `invalid_request` for a precision of whole answers where a row has several labels */
function checkAnswers(
  { precisionAt }: TrainHeadRequest,
  { multiLabel }: Pick<TrainingData, 'multiLabel'>,
): void {
  if (precisionAt === undefined || !multiLabel) return
  throw new EspalierError(
    'invalid_request',
    say`${option('precision-at')} is for one label a row: with several, each label has a threshold of its own`,
  )
}
