import { type Graph, GraphBuilder } from '../onnx/graph.ts'
import type { Numerics } from './numerics.ts'
import { addPooling } from './pooling-graph.ts'
import type { Pooling } from './source-config.ts'
import type { EncoderWeights, LayerWeights, Linear, Norm } from './weights.ts'

/** Which linear layer of the transformer is meant. */
export type SiteKind = 'qkv' | 'out' | 'ffnIn' | 'ffnOut'

/** One linear layer, by its place: the unit of quantisation and of calibration. */
export interface Site {
  readonly layer: number
  readonly kind: SiteKind
}

/** A matrix [tokens, width] on its way into a linear layer. */
export interface LinearInput {
  readonly value: string
  /** Where the value is a layer normalisation: what goes into it, so that scales can be folded in. */
  readonly normOf: { readonly value: string; readonly norm: Norm } | null
}

/** How a precision computes the parts that differ: word rows and linear layers. */
export interface Dialect {
  readonly numerics: Numerics
  /** Word vectors of shape [batch, tokens, hidden] for ids [batch, tokens]. */
  words(g: GraphBuilder, ids: string): string
  /** Output [tokens, outputs] of a linear layer. */
  linear(g: GraphBuilder, site: Site, input: LinearInput, linear: Linear): string
}

/** Names that every exported text graph uses. */
export const GRAPH_NAMES = {
  ids: 'input_ids',
  mask: 'attention_mask',
  embedding: 'embedding',
  pooled: 'pooled',
} as const

/** An additive mask that makes exp() exactly zero and still fits half precision. */
const MASKED_SCORE = 10_000

/**
 * Builds ids [batch, tokens] int32 and mask [batch, tokens] float32 → `embedding` and `pooled`
 * [batch, dimension] float32: a post-norm BERT encoder, pooling and L2 normalisation included.
 * Devlin et al., 2019, https://arxiv.org/abs/1810.04805.
 */
export function buildEncoderGraph(
  weights: EncoderWeights,
  pooling: Pooling,
  dialect: Dialect,
): Graph {
  const g = new GraphBuilder('encoder')
  const n = dialect.numerics
  const ids = g.input(GRAPH_NAMES.ids, 'int32', ['batch', 'tokens'])
  const mask = g.input(GRAPH_NAMES.mask, 'float32', ['batch', 'tokens'])
  const shapes = addShapes(g, ids, weights)
  const scoreMask = addScoreMask(g, n, mask)

  let sum = addEmbeddings(g, dialect, weights, ids, shapes.tokens)
  let norm = weights.embeddingNorm
  let x = n.layerNorm(g, 'embeddings.norm', sum, norm)
  for (const [index, layer] of weights.layers.entries()) {
    const attended = addAttention(g, dialect, weights, index, { sum, norm, x }, shapes, scoreMask)
    sum = g.op('Add', [attended, x])
    norm = layer.attentionNorm
    x = n.layerNorm(g, `layers.${index}.attention_norm`, sum, norm)
    sum = g.op('Add', [addFeedForward(g, dialect, weights, index, { sum, norm, x }), x])
    norm = layer.outputNorm
    x = n.layerNorm(g, `layers.${index}.output_norm`, sum, norm)
  }
  const states = n.toFloat32(g, g.op('Reshape', [x, shapes.states]))
  addPooling(g, { states, mask, pooling, hidden: weights.config.hidden, dense: weights.dense })
  return g.build()
}

/** A normalised matrix, with the sum that went into the normalisation. */
interface Normed {
  readonly sum: string
  readonly norm: Norm
  readonly x: string
}

interface Shapes {
  /** [tokens], for slicing positions. */
  readonly tokens: string
  /** [batch, tokens, 3, heads, head size]. */
  readonly qkv: string
  /** [batch, tokens, hidden]. */
  readonly states: string
}

function addShapes(g: GraphBuilder, ids: string, { config }: EncoderWeights): Shapes {
  const { heads, hidden } = config
  const batchTokens = g.op('Shape', [ids])
  const tokens = g.op('Slice', [batchTokens, g.int64s(1), g.int64s(2)])
  const qkv = g.op('Concat', [batchTokens, g.int64s(3, heads, hidden / heads)], { axis: 0 })
  const states = g.op('Concat', [batchTokens, g.int64s(hidden)], { axis: 0 })
  return { tokens, qkv, states }
}

/** 0 for tokens and −10,000 for padding, shape [batch, 1, 1, tokens]. */
function addScoreMask(g: GraphBuilder, n: Numerics, mask: string): string {
  const shifted = g.op('Sub', [mask, g.constant('one', 'float32', [], Float32Array.of(1))])
  const large = g.constant('masked_score', 'float32', [], Float32Array.of(MASKED_SCORE))
  const scores = g.op('Unsqueeze', [g.op('Mul', [shifted, large]), g.int64s(1, 2)])
  return n.fromFloat32(g, scores)
}

function addEmbeddings(
  g: GraphBuilder,
  dialect: Dialect,
  weights: EncoderWeights,
  ids: string,
  tokens: string,
): string {
  const { hidden } = weights.config
  const words = dialect.words(g, ids)
  const dims = [weights.positionCount, hidden]
  const table = dialect.numerics.constant(g, 'embeddings.positions', dims, weights.positions)
  const positions = g.op('Slice', [table, g.int64s(0), tokens, g.int64s(0)])
  return g.op('Reshape', [g.op('Add', [words, positions]), g.int64s(-1, hidden)])
}

function addAttention(
  g: GraphBuilder,
  dialect: Dialect,
  weights: EncoderWeights,
  index: number,
  input: Normed,
  shapes: Shapes,
  scoreMask: string,
): string {
  const { hidden, heads } = weights.config
  const layer = weights.layers[index] as LayerWeights
  const from = { value: input.x, normOf: { value: input.sum, norm: input.norm } }
  const qkv = dialect.linear(g, { layer: index, kind: 'qkv' }, from, layer.qkv)
  const split = g.op('Transpose', [g.op('Reshape', [qkv, shapes.qkv])], { perm: [2, 0, 3, 1, 4] })
  const parts = g.ops('Split', [split, g.int64s(1, 1, 1)], 3, { axis: 0 })
  const [query, key, value] = parts.map((part) => g.op('Squeeze', [part, g.int64s(0)]))
  const n = dialect.numerics
  const scores = n.scaledProduct(g, query as string, key as string, 1 / Math.sqrt(hidden / heads))
  const shares = g.op('Softmax', [g.op('Add', [scores, scoreMask])], { axis: -1 })
  const mixed = g.op('MatMul', [shares, value as string])
  const rows = g.op('Transpose', [mixed], { perm: [0, 2, 1, 3] })
  const context = g.op('Reshape', [rows, g.int64s(-1, hidden)])
  const site = { layer: index, kind: 'out' } as const
  return dialect.linear(g, site, { value: context, normOf: null }, layer.out)
}

function addFeedForward(
  g: GraphBuilder,
  dialect: Dialect,
  weights: EncoderWeights,
  index: number,
  input: Normed,
): string {
  const layer = weights.layers[index] as LayerWeights
  const from = { value: input.x, normOf: { value: input.sum, norm: input.norm } }
  const inner = dialect.linear(g, { layer: index, kind: 'ffnIn' }, from, layer.ffnIn)
  const active = addActivation(g, dialect.numerics, weights, inner)
  const site = { layer: index, kind: 'ffnOut' } as const
  return dialect.linear(g, site, { value: active, normOf: null }, layer.ffnOut)
}

function addActivation(
  g: GraphBuilder,
  n: Numerics,
  { config }: EncoderWeights,
  value: string,
): string {
  if (config.activation === 'relu') return g.op('Relu', [value])
  if (config.activation === 'gelu') return n.gelu(g, value)
  return n.tanhGelu(g, value)
}
