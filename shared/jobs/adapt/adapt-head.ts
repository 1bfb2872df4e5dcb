import type { EncoderInfo } from '../../encoder/types.ts'
import { option, say } from '../../lib/wording.ts'
import { describeRowPlaces } from '../../versions/row-places.ts'
import { checkAllReadable, inputOf } from '../heads/leave-out-unreadable.ts'
import { makeHead } from '../heads/make-head.ts'
import type { HeadRequest, TrainHeadDeps, TrainHeadResult } from '../heads/request.ts'
import { takeTrainingRows } from '../heads/vectors.ts'
import { type EmbedJobDeps, type EmbedJobOptions, embedForJob } from '../rows/embed-for-job.ts'
import { takeRows } from '../rows/take-rows.ts'
import {
  type AdaptSets,
  type AdaptSettings,
  compareMethods,
  loadAdapting,
  type MethodRow,
  predictTarget,
} from './compare.ts'
import { type Domains, type DomainsRequest, readDomains } from './data.ts'

/** One adaptation of texts or images; what it shares with a training means the same. */
export interface AdaptHeadRequest extends AdaptSettings, DomainsRequest, HeadRequest {}

export interface AdaptHeadResult extends TrainHeadResult {
  readonly methods: readonly MethodRow[]
  readonly shift: number
  readonly predictions: Awaited<ReturnType<typeof predictTarget>>
}

/** Settings of a training that an adaptation has fixed; the parts are of the cross-validation for the temperature. */
const FIXED = { folds: 5, testFraction: 0, balance: false, memory: false } as const

/**
 * Adapts a classifier to texts of another domain and publishes it as a new version, as training does.
 * @throws EspalierError `invalid_data`, `invalid_name`, `wrong_model_kind`, and what encoder and registry throw
 */
export async function adaptHead(
  deps: Omit<TrainHeadDeps, 'layers'>,
  request: AdaptHeadRequest,
): Promise<AdaptHeadResult> {
  const {
    encoder: _encoder,
    fit,
    ...result
  } = await makeHead(deps, request, {
    fix: say`pass ${option('target-labels', 'COLUMN')}`,
    read: () => readDomains(request),
    embed: (data, options) => embedDomains(deps, data, options),
    async fit({ data, vectors, target: targetVectors }, { kernels, watch }) {
      const tools = await loadAdapting()
      const { family } = vectors.encoder
      const sets = toSets(request, data, vectors, targetVectors)
      const { chosen, methods, shift } = await compareMethods(tools, kernels, sets, {
        ...request,
        family,
      })
      const predictions = await predictTarget(chosen, sets.target, kernels)
      watch.finish('adapting')
      const trained = { ...chosen.trained, candidates: methods.map(toCandidate) }
      const learnt = takeTrainingRows(data, vectors)
      const { signal } = request
      return { trained, learnt, vectors, signal, methods, shift, predictions }
    },
    report: () => ({ adapted: true }),
    origin({ data: { target } }, _fit, { encoder }) {
      const { method, seed, ridge, textReading } = request
      const lineage = { targetHash: target.sha256, targetRows: target.texts.length, ridge }
      const { folds, balance, memory } = FIXED
      const inputs = [
        encoder.fingerprint,
        { method, seed, folds, balance, memory, ...lineage, textReading },
      ]
      const rows = describeRowPlaces({ train: request.source, target: request.target })
      return { settings: { ...FIXED, method }, lineage: { ...lineage, ...rows }, inputs }
    },
  })
  const { methods, shift, predictions } = fit
  return { ...result, methods, shift, predictions }
}

/** Embeds the source's rows and the target's, of which those with a label are the test rows. */
async function embedDomains(deps: EmbedJobDeps, data: Domains, options: EmbedJobOptions) {
  const { train, target, truth } = data
  const inputs = [...train.map(inputOf), ...(target.images ?? target.texts)]
  const found = await embedForJob(deps, inputs, options)
  const { encoder, embeddings, unreadable, warnings, cut, ...counts } = found
  checkAllReadable(inputs, unreadable)
  const { dimension } = encoder
  const end = train.length * dimension
  const ofTarget = embeddings.subarray(end)
  const known = [...truth.keys()].filter((row) => truth[row]! >= 0)
  const test = takeRows(ofTarget, known, dimension)
  const vectors = { encoder, train: embeddings.subarray(0, end), test }
  const told = { ...data, warnings: [...data.warnings, ...warnings] }
  return { data: told, vectors, target: ofTarget, embeddings: counts, cut }
}

function toSets(
  { source, target }: DomainsRequest,
  data: Domains,
  { encoder, train }: { readonly encoder: EncoderInfo; readonly train: Float32Array },
  targetVectors: Float32Array,
): AdaptSets {
  const { dimension: columns } = encoder
  const indexOf = new Map(data.classes.map((label, index) => [label, index]))
  return {
    labels: data.classes,
    source: {
      name: source.name,
      features: { data: train, rows: data.train.length, columns },
      targets: Int32Array.from(data.train, ({ labels }) => indexOf.get(labels[0]!)!),
    },
    target: {
      name: target.name,
      features: { data: targetVectors, rows: data.target.texts.length, columns },
      truth: data.truth,
    },
  }
}

function toCandidate({ method, sourceAccuracy, reverse, target, moved }: MethodRow) {
  return {
    name: method,
    accuracy: sourceAccuracy ?? Number.NaN,
    nll: Number.NaN,
    parameters: {
      reverseValidation: reverse,
      ...(target && { targetAccuracy: target.accuracy }),
      ...(moved > 0 && { movedRows: moved }),
    },
  }
}
