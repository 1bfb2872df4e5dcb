import type { Head } from '../../head/head.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { ADAPT_METHOD_TABLE, ADAPT_METHODS, type AdaptMethod } from '../catalogue/adapt-methods.ts'
import { largestOf } from '../evaluation/probabilities.ts'
import type { Features } from '../numerics/features.ts'
import type { LinearFit } from '../numerics/linear-fit.ts'
import { scoreLinear } from '../numerics/linear-fit.ts'
import { trainHead } from '../train-head.ts'
import type { TrainedHead } from '../types.ts'
import { type Alignment, alignDomains, IDENTITY } from './coral.ts'
import { type Domain, describeDomain, meanShift } from './domain.ts'
import {
  type Assignment,
  assignRows,
  classCentres,
  nearestCentres,
  toLinearFit,
  unstandardise,
} from './easytl.ts'
import { scoreSource } from './held-out.ts'

/** A labelled source and a target without labels, as features of one kind. */
export interface AdaptRequest {
  readonly source: {
    readonly name: string
    readonly features: Features
    readonly targets: Int32Array
  }
  readonly target: { readonly name: string; readonly features: Features }
  readonly labels: readonly string[]
  /** The encoder family of the features. */
  readonly family: string
  readonly methods: readonly AdaptMethod[]
  readonly seed: number
  /** λ of CORAL, on standardised columns. */
  readonly ridge: number
}

/** What adapting works with. */
export interface AdaptTools {
  readonly kernels: MatrixKernels
  readonly onProgress?: ((stage: string, done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rows scored at a time: bounds the scores in memory. */
const STEP_ROWS = 1024

/** One way to carry the source's labels over, and what can be said of it without the target's labels. */
export interface AdaptedHead {
  readonly method: AdaptMethod
  readonly trained: TrainedHead
  /** The target's rows under this method; EasyTL gives every label a row. */
  readonly assignment: Assignment
  /**
   * Reverse validation (Zhong et al. 2010): the way back, from the target as labelled by this method, is right
   * on this share of the source's rows. It ranks methods; it is no estimate of the accuracy on the target.
   */
  readonly reverse: number
}

export interface Adaptation {
  readonly heads: readonly AdaptedHead[]
  /** Root mean square over columns of the means' distance, in deviations of the source. */
  readonly shift: number
}

/**
 * Fits heads for the target domain, each as one affine head on raw rows: the target's means and deviations
 * are folded into weights and bias.
 * @throws EspalierError `invalid_data` for domains that do not fit each other, `request_cancelled`
 */
export async function adaptHeads(request: AdaptRequest, tools: AdaptTools): Promise<Adaptation> {
  const { labels, methods } = request
  checkRequest(request)
  const source = describeDomain(request.source.name, request.source.features)
  const target = describeDomain(request.target.name, request.target.features)
  const { targets } = request.source
  const step = (stage: string, done: number): void => {
    if (tools.signal?.aborted) {
      throw new EspalierError('request_cancelled', 'the adaptation was cancelled')
    }
    tools.onProgress?.(stage, done, methods.length)
  }
  let ways: { there: Alignment; back: Alignment } | null = null
  const alignments = () => {
    ways ??= {
      there: alignDomains(source, target, request.ridge),
      back: alignDomains(target, source, request.ridge),
    }
    return ways
  }
  const heads: AdaptedHead[] = []
  for (const [done, method] of methods.entries()) {
    step(method, done)
    const isAligned = method === 'easytl' || method === 'coral'
    const { there, back } = isAligned ? alignments() : { there: IDENTITY, back: IDENTITY }
    const context = { request, source, target, alignment: there, tools }
    const isMeans = method === 'easytl' || method === 'easytl-c'
    const fitted = isMeans ? await fitMeans(method, context) : await fitSoftmax(method, context)
    const assigned = fitted.assignment.labels
    const returned = back.apply(classCentres(target, assigned, labels.length))
    const right = nearestCentres(source.standard, returned).filter((c, row) => c === targets[row])
    heads.push({ method, ...fitted, reverse: right.length / targets.length })
  }
  step('done', methods.length)
  return { heads, shift: meanShift(source, target) }
}

interface FitContext {
  readonly request: AdaptRequest
  readonly source: Domain
  readonly target: Domain
  readonly alignment: Alignment
  readonly tools: AdaptTools
}

/** EasyTL: the nearest aligned centre, every class at least one row. */
async function fitMeans(method: AdaptMethod, context: FitContext) {
  const { request, source, target, alignment } = context
  const { targets } = request.source
  const { labels, seed } = request
  const centres = alignment.apply(classCentres(source, targets, labels.length))
  const assignment = assignRows(target, centres)
  const held = scoreSource({ source, targets, classes: labels.length, alignment, seed })
  const head = toHead(request, toLinearFit(centres, target), held.temperature)
  const trained = describe(method, head, held.crossValidation)
  return { trained, assignment }
}

/**
 * Softmax regression: for `coral` on aligned source rows, for `source` on the source as it is, which is what
 * a training without the target gives. Rows are scaled to a mean square of 1, where the penalties are at home.
 */
async function fitSoftmax(method: AdaptMethod, context: FitContext) {
  const { request, source, target, alignment, tools } = context
  const isCoral = method === 'coral'
  const rows = isCoral
    ? await alignRows(source.standard, alignment, tools)
    : request.source.features
  const { scaled, scale } = scaleToUnit(rows)
  const { labels, seed, family } = request
  const set = {
    embeddings: scaled,
    dimension: rows.columns,
    labels,
    targets: request.source.targets,
    labelSets: null,
  }
  const options = { family, method: 'softmax', seed, memory: false } as const
  const { kernels, signal } = tools
  const { head, crossValidation, candidates } = await trainHead(set, options, { kernels, signal })
  const plain = {
    weights: Float64Array.from(head.weights, (weight) => weight * scale),
    bias: Float64Array.from(head.bias),
  }
  const fit = isCoral ? unstandardise(plain, target) : plain
  const own = toHead(request, fit, head.temperature)
  const parameters = candidates[0]?.parameters ?? {}
  const trained = describe(method, own, crossValidation, parameters)
  const answers = await answerRows(kernels, request.target.features, fit)
  const counts = new Int32Array(labels.length)
  for (const label of answers) counts[label]!++
  const empty = counts.filter((count) => count === 0).length
  return { trained, assignment: { labels: answers, moved: 0, empty } }
}

/** Z · A, by way of the map's matrix where rows are many. */
async function alignRows(
  rows: Features,
  alignment: Alignment,
  { kernels }: AdaptTools,
): Promise<Features> {
  const { columns } = rows
  if (rows.rows < columns) return { ...rows, data: alignment.apply(Float64Array.from(rows.data)) }
  const identity = new Float64Array(columns * columns)
  for (let j = 0; j < columns; j++) identity[j * columns + j] = 1
  const map = toMatrix({ data: alignment.apply(identity), rows: columns, columns })
  return kernels.multiply(toMatrix(rows), map)
}

/** Rows times `scale`, so that their mean square length is 1. */
function scaleToUnit({ data, rows }: Features) {
  let sum = 0
  for (const value of data) sum += value * value
  const scale = sum > 0 ? Math.sqrt(rows / sum) : 1
  return { scaled: Float32Array.from(data, (value) => value * scale), scale }
}

/** The best class of each row, some rows at a time. */
async function answerRows(
  kernels: AdaptTools['kernels'],
  { data, rows, columns }: Features,
  fit: LinearFit,
): Promise<Int32Array> {
  const answers = new Int32Array(rows)
  for (let from = 0; from < rows; from += STEP_ROWS) {
    const count = Math.min(STEP_ROWS, rows - from)
    const part = data.subarray(from * columns, (from + count) * columns)
    const scores = await scoreLinear(kernels, toMatrix({ data: part, rows: count, columns }), fit)
    for (let row = 0; row < count; row++) answers[from + row] = largestOf(scores, row)
  }
  return answers
}

function toMatrix({ data, rows, columns }: Features) {
  return { data: data instanceof Float32Array ? data : new Float32Array(data), rows, columns }
}

function toHead({ family, labels, target }: AdaptRequest, fit: LinearFit, temperature: number) {
  const head: Head = {
    family,
    dimension: target.features.columns,
    labels: [...labels],
    activation: 'softmax',
    weights: new Float32Array(fit.weights),
    bias: new Float32Array(fit.bias),
    temperature,
    memory: null,
    adjustment: null,
    thresholds: null,
    detector: null,
  }
  return head
}

function describe(
  method: AdaptMethod,
  head: Head,
  crossValidation: TrainedHead['crossValidation'],
  parameters: Readonly<Record<string, number>> = {},
): TrainedHead {
  const { accuracy, nll } = crossValidation ?? { accuracy: Number.NaN, nll: Number.NaN }
  const candidates = [{ name: method, parameters, accuracy, nll }]
  return { head, method, why: ADAPT_METHOD_TABLE[method], candidates, crossValidation }
}

function checkRequest({ source, target, labels, methods }: AdaptRequest): void {
  // Callers in JavaScript may ask for anything, whatever the type says.
  const unknown = methods.find((method) => !ADAPT_METHODS.includes(method))
  if (unknown !== undefined) {
    const message = `method ${unknown}: there is ${ADAPT_METHODS.join(', ')}`
    throw new EspalierError('invalid_request', message, { param: 'method' })
  }
  const fail = (message: string): EspalierError =>
    new EspalierError('invalid_data', message, { param: source.name })
  const { rows, columns } = source.features
  if (source.targets.length !== rows) {
    throw fail(`${source.name}: ${source.targets.length} labels for ${rows} rows`)
  }
  if (columns !== target.features.columns) {
    throw fail(
      `${target.name} has ${target.features.columns} numbers a row, ${source.name} ${columns}: ` +
        'both must come from the same features',
    )
  }
  const counts = new Int32Array(labels.length)
  for (const label of source.targets) counts[label]!++
  const missing = counts.indexOf(0)
  if (labels.length < 2 || missing >= 0) {
    throw fail(`${source.name}: two labels at least, each with a row, are needed`)
  }
}
