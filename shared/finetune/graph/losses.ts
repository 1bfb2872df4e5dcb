import type { GraphBuilder } from '../../onnx/graph.ts'
import type { Loss } from '../types.ts'

/** Below this norm a prototype is left as it is; the guard of torch.nn.functional.normalize. */
export const MIN_NORM = 1e-12

/** What a loss is computed from: names of values, all float32. */
export interface LossInput {
  /** Normalised embeddings [batch, dimension]. */
  readonly embedding: string
  /** [batch, classes], or wanted cosines [batch, batch]. */
  readonly targets: string
  /** [batch, batch]; null but for the contrastive loss. */
  readonly pairWeights: string | null
  readonly loss: Loss
  /** The fixed factor before the head's weights. */
  readonly scale: number
  readonly classes: number
  /** One factor per class; null for ones. */
  readonly classWeights: Float32Array | null
}

/** A scalar, and what it is computed from: scores [batch, classes], or cosines [batch, batch]. */
export interface LossOutput {
  readonly loss: string
  readonly scores: string
}

/** Adds the output layer on parameters `head.weight` and `head.bias`, and the loss behind it. */
export function addLoss(g: GraphBuilder, input: LossInput): LossOutput {
  const { loss } = input
  if (loss.kind === 'contrastive') return addContrastive(g, input)
  if (loss.kind === 'binary-cross-entropy') return addBinaryCrossEntropy(g, input)
  if (loss.kind === 'cosine-softmax') {
    const scores = addCosines(g, input)
    return { scores, loss: addCrossEntropy(g, input, scores, 0) }
  }
  const scores = addScores(g, input)
  return { scores, loss: addCrossEntropy(g, input, scores, loss.smoothing) }
}

/** scale · W e + b. */
function addScores(g: GraphBuilder, { embedding, scale }: LossInput): string {
  const attributes = { alpha: { float: scale }, transB: 1 }
  return g.op('Gemm', [embedding, 'head.weight', 'head.bias'], attributes)
}

/** scale · (w / |w|) e for each class prototype w. Gidaris and Komodakis, 2018, arXiv:1804.09458. */
function addCosines(g: GraphBuilder, { embedding, scale }: LossInput): string {
  const norm = g.reduce('ReduceL2', 'head.weight', 1, 1)
  const prototypes = g.op('Div', ['head.weight', g.op('Max', [norm, g.scalar(MIN_NORM)])])
  return g.op('Gemm', [embedding, prototypes], { alpha: { float: scale }, transB: 1 })
}

/**
 * −Σ w t′ log softmax(scores) / Σ w t, with class weights w and t′ = (1 − s) t + s / classes · Σ t: what
 * torch.nn.CrossEntropyLoss computes. Smoothing: Szegedy et al., 2016, arXiv:1512.00567.
 */
function addCrossEntropy(
  g: GraphBuilder,
  input: LossInput,
  scores: string,
  smoothing: number,
): string {
  const { targets, classes } = input
  const weigh = (value: string) =>
    input.classWeights ? g.op('Mul', [value, addClassWeights(g, input.classWeights)]) : value
  let smoothed = targets
  if (smoothing > 0) {
    const total = g.op('ReduceSum', [targets, g.int64s(1)], { keepdims: 1 })
    const share = g.op('Mul', [total, g.scalar(smoothing / classes)])
    smoothed = g.op('Add', [g.op('Mul', [targets, g.scalar(1 - smoothing)]), share])
  }
  const logShares = g.op('LogSoftmax', [scores], { axis: 1 })
  const gain = sumAll(g, g.op('Mul', [weigh(smoothed), logShares]))
  return g.op('Neg', [g.op('Div', [gain, sumAll(g, weigh(targets))])])
}

/**
 * Mean over rows and classes of (1 − t) z + (1 + (p − 1) t) log(1 + e⁻ᶻ) for scores z, where the class weight p
 * stresses rows that have the class: torch.nn.BCEWithLogitsLoss with `pos_weight`.
 */
function addBinaryCrossEntropy(g: GraphBuilder, input: LossInput): LossOutput {
  const { targets, classWeights } = input
  const scores = addScores(g, input)
  const against = g.op('Mul', [g.op('Sub', [g.scalar(1), targets]), scores])
  let missed = g.op('Softplus', [g.op('Neg', [scores])])
  if (classWeights) {
    const extra = addClassWeights(
      g,
      classWeights.map((weight) => weight - 1),
    )
    const factor = g.op('Add', [g.op('Mul', [targets, extra]), g.scalar(1)])
    missed = g.op('Mul', [factor, missed])
  }
  const terms = g.op('Add', [against, missed])
  return { scores, loss: g.op('ReduceMean', [terms], { keepdims: 0 }) }
}

/**
 * Σ w (cosine − target)² / Σ w over all pairs of rows: sentence-transformers' CosineSimilarityLoss on the
 * pairs that w counts. Tunstall et al., 2022 (SetFit), arXiv:2209.11055.
 */
function addContrastive(
  g: GraphBuilder,
  { embedding, targets, pairWeights }: LossInput,
): LossOutput {
  const weights = pairWeights as string
  const scores = g.op('Gemm', [embedding, embedding], { transB: 1 })
  const error = g.op('Sub', [scores, targets])
  const squares = g.op('Mul', [g.op('Mul', [error, error]), weights])
  return { scores, loss: g.op('Div', [sumAll(g, squares), sumAll(g, weights)]) }
}

function addClassWeights(g: GraphBuilder, values: Float32Array): string {
  const name = 'class_weights'
  return g.has(name) ? name : g.constant(name, 'float32', [values.length], values)
}

function sumAll(g: GraphBuilder, value: string): string {
  return g.op('ReduceSum', [value], { keepdims: 0 })
}

/**
 * The fixed factor before a head's weights: normalised embeddings are small, √dimension gives their elements
 * the size of a normalised layer's, so that usual learning rates fit.
 */
export function scoreScale(dimension: number, loss: Loss): number {
  return loss.kind === 'cosine-softmax' ? loss.scale : Math.sqrt(dimension)
}
