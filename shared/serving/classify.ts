import { DEFAULT_TOP_K, MAX_MODELS } from '../contract/classify.ts'
import type { AnswerCounts } from '../drift/answer-counts.ts'
import { findPrompt } from '../encoder/prompts.ts'
import type { QueueCaller } from '../encoder/queue.ts'
import type { EncodedBatch, EncoderInfo, EncoderInput } from '../encoder/types.ts'
import {
  type AnswerRules,
  type AnswerWishes,
  checkWishes,
  settleRules,
  thresholdsOf,
} from '../head/answer-rules.ts'
import {
  encodeAs as encodeReading,
  type Head,
  type TextReading,
  USUAL_READING,
} from '../head/head.ts'
import type { Prediction } from '../head/predict.ts'
import { EspalierError } from '../lib/errors.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import { TimeSlice } from '../lib/time-slice.ts'
import type { ClassifierLease, LeasedHead, LiveModels } from './classifiers.ts'
import { encodeAs } from './embed.ts'
import { rankRows } from './rank-rows.ts'
import type { InputLimits } from './read-inputs.ts'
import { checkModality, type GivenInput, type ReadInputs, readInputs } from './read-inputs.ts'
import {
  checkOneEncoder,
  checkOneReading,
  type ReadingGroup,
  splitByReading,
} from './reading-groups.ts'
import type { AnswerWatch } from './watch/answer-watch.ts'

/** Labels that one answer may list: some 20 MB of JSON. */
const MAX_LISTED_LABELS = 500_000
/** Ranking longer than this lets other requests in between, milliseconds. */
const MAX_SLICE_MS = 1

/** What `classify` works with. */
export interface ClassifyDeps {
  readonly classifiers: LiveModels
  /** Counts what is answered. */
  readonly watch: Pick<AnswerWatch, 'add'>
  readonly limits: InputLimits
}

/** One classification request, whatever surface it came from. */
export interface ClassifyInput extends AnswerWishes {
  readonly inputs: GivenInput | readonly GivenInput[]
  /** The caller's name of the field that holds the inputs, for error messages. */
  readonly field: string
  /** Addresses of classifiers; the only one there is where left out. */
  readonly model?: string | readonly string[] | undefined
  /** Labels to list with each prediction. */
  readonly topK?: number | undefined
  /** Also give the probability of every label. */
  readonly probabilities?: boolean | undefined
  /** The caller wants the embeddings as well: those of one encoder. */
  readonly embeddings?: boolean | undefined
  readonly truncate?: boolean | undefined
  readonly truncationDirection?: 'left' | 'right' | undefined
  /** Decides a traffic split and the sample of a shadow. */
  readonly routeKey?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds in which the scores must be there. */
  readonly timeoutMs?: number | undefined
  /** Whose turn it takes while it waits. */
  readonly caller?: QueueCaller | null | undefined
  /** Told which versions the names mean, as `name@v1`, and of those that a failure is about again. */
  readonly onVersions?: ((versions: readonly string[]) => void) | undefined
}

/** What one classifier says of all inputs. */
export interface ClassifierAnswer {
  /** `name@v1`. */
  readonly model: string
  readonly multiLabel: boolean
  readonly labels: readonly string[]
  readonly predictions: readonly Prediction[]
  /** Shape [inputs, labels]; null unless asked for. */
  readonly probabilities: Float32Array | null
  /** What was answered, as the log tells it. */
  readonly counts: AnswerCounts
}

/** What one encoder read for a request. */
export interface EncoderPass {
  readonly info: EncoderInfo
  readonly batch: EncodedBatch
}

/** Predictions of every classifier asked for, in that order. */
export interface ClassifyResult {
  /** One for each encoder that the classifiers read. */
  readonly passes: readonly [EncoderPass, ...EncoderPass[]]
  readonly answers: readonly ClassifierAnswer[]
}

/**
 * Classifies texts or images with one or more heads, in one pass of each encoder that they read.
 * @throws EspalierError naming the field at fault, in the caller's words
 */
export async function classify(
  deps: ClassifyDeps,
  request: ClassifyInput,
): Promise<ClassifyResult> {
  const { classifiers } = deps
  const addresses = listAddresses(request.model)
  checkWishes(request)
  const read = readInputs(request.inputs, request.field, deps.limits)
  const { signal, routeKey, onVersions } = request
  const lease = await classifiers.acquire(addresses, { signal, routeKey, onVersions })
  try {
    checkAnswerSize(read.inputs.length, lease, request)
    for (const { encoder } of lease.groups) checkModality(read, encoder.info, request.field)
    if (request.embeddings) checkOneEncoder(lease)
    const groups = lease.groups.flatMap(splitByReading)
    if (request.embeddings) checkOneReading(groups)
    const asked = lease.heads.map((head) => ({ ...head, model: formatModelVersion(head) }))
    const rules = settleRules(asked, request)
    const passes = await encodeAll(groups, read, request)
    const slice = new TimeSlice(MAX_SLICE_MS)
    const answers: ClassifierAnswer[] = []
    for (const [i, head] of lease.heads.entries()) {
      const at = groups.length === 1 ? 0 : groups.findIndex(({ heads }) => heads.includes(head))
      const { batch } = passes[at]!
      answers.push(
        await answer(deps, head, groups[at]!, batch, read.inputs, request, rules[i]!, slice).catch(
          (error: unknown) => {
            onVersions?.([formatModelVersion(head)])
            throw error
          },
        ),
      )
    }
    return { passes, answers }
  } finally {
    lease.release()
  }
}

function listAddresses(model: ClassifyInput['model']): readonly string[] | null {
  if (model === undefined) return null
  if (typeof model === 'string') return [model]
  if (model.length > 0 && model.length <= MAX_MODELS) return model
  const fix =
    model.length === 0
      ? 'model is an empty list; name at least one classifier'
      : `model has ${model.length} items; the limit is ${MAX_MODELS} classifiers per request`
  throw new EspalierError('invalid_request', fix, { param: 'model' })
}

function checkAnswerSize(
  inputs: number,
  { heads }: ClassifierLease,
  { field, topK = DEFAULT_TOP_K, probabilities, predictionSet }: ClassifyInput,
): void {
  const perInput = heads.reduce((sum, { head }) => {
    const classes = head.labels.length
    // A prediction set may hold them all.
    const isWhole = probabilities || predictionSet !== undefined
    return sum + (isWhole ? classes : Math.min(topK, classes))
  }, 0)
  if (inputs * perInput <= MAX_LISTED_LABELS) return
  throw new EspalierError(
    'too_many_inputs',
    `the answer would list ${inputs * perInput} labels; the limit is ${MAX_LISTED_LABELS}: send fewer inputs at once, name fewer classifiers or lower top_k`,
    { param: field },
  )
}

/** One pass of each encoder and reading; all have ended when it fails, so that no head leaves behind its back. */
async function encodeAll(
  groups: readonly ReadingGroup[],
  read: ReadInputs,
  request: ClassifyInput,
): Promise<readonly [EncoderPass, ...EncoderPass[]]> {
  const [first, ...more] = groups as readonly [ReadingGroup, ...ReadingGroup[]]
  if (more.length === 0) return [await encodeGroup(first, read, request)]
  const settled = await Promise.allSettled(groups.map((group) => encodeGroup(group, read, request)))
  return settled.map((each, at) => {
    if (each.status === 'fulfilled') return each.value
    request.onVersions?.(groups[at]!.heads.map(formatModelVersion))
    throw each.reason
  }) as [EncoderPass, ...EncoderPass[]]
}

async function encodeGroup(
  { encoder, heads, reading }: ReadingGroup,
  { inputs, single }: ReadInputs,
  request: ClassifyInput,
): Promise<EncoderPass> {
  const memories = new Set(heads.map(({ memory }) => memory).filter((id) => id !== null))
  const options = {
    ...cutOf(request, reading),
    prompt: findPrompt(encoder.info, undefined),
    project: true,
    search: [...memories].sort((a, b) => a - b),
    signal: request.signal,
    timeoutMs: request.timeoutMs,
    caller: request.caller,
  } as const
  const batch = await encodeAs(encoder, inputs, options, request.field, single)
  return { info: encoder.info, batch }
}

/** How texts are read: as the request says, else as the heads were trained. */
function cutOf(
  { truncate = true, truncationDirection }: ClassifyInput,
  reading: TextReading = USUAL_READING,
) {
  const asked = truncationDirection !== undefined && { truncationDirection }
  return { ...encodeReading(reading), ...asked, truncate, normalize: true }
}

async function answer(
  { watch }: ClassifyDeps,
  leased: LeasedHead,
  { group, layout: layoutOf, reading }: ReadingGroup,
  batch: EncodedBatch,
  inputs: readonly EncoderInput[],
  request: ClassifyInput,
  rules: AnswerRules,
  slice: TimeSlice,
): Promise<ClassifierAnswer> {
  const { head, memory, shadow, answers } = leased
  const layout = layoutOf(batch.projectionId)
  const { topK = DEFAULT_TOP_K, probabilities: withAll } = request
  const multiLabel = head.activation === 'sigmoid'
  const rank = { topK, ...rules, probabilities: withAll }
  const slot = { head, place: leased.place(layout), stride: layout.columns, memory }
  // Every label that holds is counted, also those that the answer leaves out.
  const counted = multiLabel ? { ...rank, topK: head.labels.length } : rank
  const { predictions: all, probabilities } = await rankRows(slot, batch, counted, slice)
  const model = formatModelVersion(leased)
  const isUsual = rules.threshold === undefined && rules.thresholds === undefined
  const counts = watch.add({ model, head, reference: answers.reference ?? null }, all, isUsual)
  const predictions = multiLabel ? all.map((each) => cutLabels(each, topK)) : all
  const encodeFor = (other: Head) => cutOf(request, other.reading)
  const rankFor = (other: Head) => ({ topK, ...thresholdsOf(other, request) })
  shadow?.offer({ group, inputs, reading, encodeFor, batch, layout, rankFor, predictions })
  return { model, multiLabel, labels: head.labels, predictions, probabilities, counts }
}

function cutLabels(prediction: Prediction, topK: number): Prediction {
  const { labels } = prediction
  return labels.length <= topK ? prediction : { ...prediction, labels: labels.slice(0, topK) }
}
