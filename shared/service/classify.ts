import { DEFAULT_TOP_K, MAX_MODELS } from '../contract/classify.ts'
import type { EncodedBatch, Encoder, EncoderInfo } from '../encoder/types.ts'
import { computeProbabilities, type HeadInput, type Prediction, predict } from '../head/predict.ts'
import { EspalierError } from '../lib/errors.ts'
import { formatModelVersion } from '../lib/model-address.ts'
import { Turn } from '../lib/turn.ts'
import { checkTexts, type InputLimits } from './check-inputs.ts'
import type { ClassifierLease, LeasedHead, LiveModels } from './classifiers.ts'
import { encodeAs, findPrompt } from './embed.ts'
import type { StackLayout } from './head-stack.ts'

/** Labels that one answer may list: some 20 MB of JSON. */
const MAX_LISTED_LABELS = 500_000
/** Ranking longer than this lets other requests in between, milliseconds. */
const MAX_TURN_MS = 1
/** Scores ranked in one step: well under a millisecond. */
const SCORES_PER_STEP = 1_024

/** What `classify` works with. */
export interface ClassifyDeps {
  readonly encoder: Encoder
  readonly classifiers: LiveModels
  readonly limits: InputLimits
}

/** One classification request, whatever surface it came from. */
export interface ClassifyInput {
  readonly inputs: string | readonly string[]
  /** The caller's name of the field that holds the inputs, for error messages. */
  readonly field: string
  /** Addresses of classifiers; the only one there is where left out. */
  readonly model?: string | readonly string[] | undefined
  /** Labels to list with each prediction. */
  readonly topK?: number | undefined
  /** Also give the probability of every label. */
  readonly probabilities?: boolean | undefined
  readonly threshold?: number | undefined
  readonly truncate?: boolean | undefined
  readonly truncationDirection?: 'left' | 'right' | undefined
  /** Decides a traffic split. */
  readonly routeKey?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds in which the scores must be there. */
  readonly timeoutMs?: number | undefined
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
}

/** Predictions of every classifier asked for, in that order, and the batch that they read. */
export interface ClassifyResult {
  readonly info: EncoderInfo
  readonly batch: EncodedBatch
  readonly answers: readonly ClassifierAnswer[]
}

/**
 * Classifies texts with one or more heads in one pass of the encoder.
 * @throws EspalierError naming the field at fault, in the caller's words
 */
export async function classify(
  deps: ClassifyDeps,
  request: ClassifyInput,
): Promise<ClassifyResult> {
  const { encoder, classifiers } = deps
  const single = typeof request.inputs === 'string'
  const texts = typeof request.inputs === 'string' ? [request.inputs] : request.inputs
  const addresses = listAddresses(request.model)
  checkTexts(texts, request.field, single, deps.limits)
  const { signal, routeKey } = request
  const lease = await classifiers.acquire(addresses, { signal, routeKey })
  try {
    checkAnswerSize(texts.length, lease, request)
    const options = {
      truncate: request.truncate ?? true,
      truncationDirection: request.truncationDirection ?? 'right',
      normalize: true,
      prompt: findPrompt(encoder.info, undefined),
      project: true,
      search: memoriesOf(lease),
      signal,
      timeoutMs: request.timeoutMs,
    } as const
    const batch = await encodeAs(encoder, texts, options, request.field, single)
    const layout = lease.layout(batch.projectionId)
    const answers: ClassifierAnswer[] = []
    const turn = new Turn(MAX_TURN_MS)
    for (const head of lease.heads) {
      answers.push(await answer(head, batch, layout, request, turn))
    }
    return { info: encoder.info, batch, answers }
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
  { field, topK = DEFAULT_TOP_K, probabilities }: ClassifyInput,
): void {
  const perInput = heads.reduce((sum, { head }) => {
    const classes = head.labels.length
    return sum + (probabilities ? classes : Math.min(topK, classes))
  }, 0)
  if (inputs * perInput <= MAX_LISTED_LABELS) return
  throw new EspalierError(
    'too_many_inputs',
    `the answer would list ${inputs * perInput} labels; the limit is ${MAX_LISTED_LABELS}: send fewer inputs at once, name fewer classifiers or lower top_k`,
    { param: field },
  )
}

/** Ranks the labels of all inputs, some rows at a time so that nothing else has to wait for long. */
async function answer(
  leased: LeasedHead,
  batch: EncodedBatch,
  layout: StackLayout,
  request: ClassifyInput,
  turn: Turn,
): Promise<ClassifierAnswer> {
  const { head } = leased
  const classes = head.labels.length
  const rows = batch.tokens.length
  const predictions: Prediction[] = []
  const probabilities = request.probabilities ? new Float32Array(rows * classes) : null
  const options = { topK: request.topK ?? DEFAULT_TOP_K, threshold: request.threshold }
  const step = Math.max(1, Math.floor(SCORES_PER_STEP / classes))
  for (let from = 0; from < rows; from += step) {
    if (turn.isOver) await turn.next()
    const input = sliceRows(leased, batch, layout, from, Math.min(step, rows - from))
    predictions.push(...predict(head, input, options))
    probabilities?.set(computeProbabilities(head, input), from * classes)
  }
  return {
    model: formatModelVersion(leased),
    multiLabel: head.activation === 'sigmoid',
    labels: head.labels,
    predictions,
    probabilities,
  }
}

function memoriesOf({ heads }: ClassifierLease): number[] {
  const ids = new Set(heads.map(({ memory }) => memory).filter((id) => id !== null))
  return [...ids].sort((a, b) => a - b)
}

/** Some rows of a batch as the head reads them. */
function sliceRows(
  leased: LeasedHead,
  { scores, neighbours }: EncodedBatch,
  layout: StackLayout,
  from: number,
  rows: number,
): HeadInput {
  if (!scores) throw new EspalierError('internal', 'the encoder answered without scores')
  const found = leased.memory === null ? undefined : neighbours.get(leased.memory)
  return {
    scores: scores.subarray(from * layout.columns, (from + rows) * layout.columns),
    rows,
    stride: layout.columns,
    place: leased.place(layout),
    neighbours: found && {
      similarities: found.similarities.subarray(from * found.k, (from + rows) * found.k),
      indices: found.indices.subarray(from * found.k, (from + rows) * found.k),
      k: found.k,
    },
  }
}
