import { type Graph, GraphBuilder } from '../onnx/graph.ts'
import {
  type Attention,
  composeAttention,
  fuseAttention,
  type Projected,
} from './attention-graph.ts'
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

/** A layer normalisation, in the two forms that are read. */
export interface Normed {
  /** For the linear layer after it. */
  readonly input: string
  /** For the addition that closes the residual, together with the output of the linear layer before it. */
  readonly residual: string
}

/** How a precision computes the parts that differ: word rows, normalisations and linear layers. */
export interface Dialect {
  readonly numerics: Numerics
  /** Shape of matrices between operators: [tokens of all texts, width] or [batch, tokens, width]. */
  readonly rows: 'flat' | 'batched'
  /** Word vectors of shape [batch, tokens, hidden] for ids [batch, tokens]. */
  words(g: GraphBuilder, ids: string): string
  /** Normalises a sum for the linear layer `next`, or for pooling where that is null. */
  norm(g: GraphBuilder, name: string, sum: string, norm: Norm, next: Site | null): Normed
  /** Outputs of a linear layer: query, key and value apart for `qkv`, one value otherwise. */
  linear(g: GraphBuilder, site: Site, input: string, linear: Linear): string[]
}

/** Names that every exported text graph uses. */
export const GRAPH_NAMES = {
  ids: 'input_ids',
  mask: 'attention_mask',
  embedding: 'embedding',
  pooled: 'pooled',
} as const

/**
 * Builds ids [batch, tokens] int32 and mask [batch, tokens] float32, padding last → `embedding` and `pooled`
 * [batch, dimension] float32: a post-norm BERT encoder, pooling and L2 normalisation included.
 * Devlin et al., 2019, https://arxiv.org/abs/1810.04805.
 */
export function buildEncoderGraph(
  weights: EncoderWeights,
  pooling: Pooling,
  dialect: Dialect,
): Graph {
  const { numerics } = dialect
  const { hidden, heads } = weights.config
  const g = new GraphBuilder('encoder', numerics.fusedAttention ? 24 : 17)
  const ids = g.input(GRAPH_NAMES.ids, 'int32', ['batch', 'tokens'])
  const mask = g.input(GRAPH_NAMES.mask, 'float32', ['batch', 'tokens'])
  const batchTokens = g.op('Shape', [ids])
  const options = { numerics, heads, headSize: hidden / heads, batchTokens, mask }
  const attention = numerics.fusedAttention
    ? fuseAttention(g, options)
    : composeAttention(g, options)
  const shaper = createShaper(g, dialect, batchTokens, hidden)

  let sum = shaper.toRows(addEmbeddings(g, dialect, weights, ids, batchTokens))
  let norm = weights.embeddingNorm
  let name = 'embeddings.norm'
  for (const [index, layer] of weights.layers.entries()) {
    let x = dialect.norm(g, name, sum, norm, { layer: index, kind: 'qkv' })
    const attended = addAttention(g, dialect, layer, index, x.input, attention, shaper)
    sum = g.op('Add', [attended, x.residual])
    const inner = `layers.${index}.attention_norm`
    x = dialect.norm(g, inner, sum, layer.attentionNorm, { layer: index, kind: 'ffnIn' })
    sum = g.op('Add', [addFeedForward(g, dialect, weights, index, x.input), x.residual])
    norm = layer.outputNorm
    name = `layers.${index}.output_norm`
  }
  const { input } = dialect.norm(g, name, sum, norm, null)
  const states = numerics.toFloat32(g, shaper.toStates(input))
  addPooling(g, { states, mask, pooling, hidden, dense: weights.dense })
  return g.build()
}

/** Brings matrices into the dialect's shape and back to [batch, tokens, hidden]; no data moves. */
interface Shaper {
  toRows(states: string): string
  toStates(rows: string): string
}

function createShaper(
  g: GraphBuilder,
  dialect: Dialect,
  batchTokens: string,
  hidden: number,
): Shaper {
  if (dialect.rows === 'batched') return { toRows: (value) => value, toStates: (value) => value }
  const shape = g.op('Concat', [batchTokens, g.int64s(hidden)], { axis: 0 })
  return {
    toRows: (states) => g.op('Reshape', [states, g.int64s(-1, hidden)]),
    toStates: (rows) => g.op('Reshape', [rows, shape]),
  }
}

function addEmbeddings(
  g: GraphBuilder,
  dialect: Dialect,
  weights: EncoderWeights,
  ids: string,
  batchTokens: string,
): string {
  const dims = [weights.positionCount, weights.config.hidden]
  const table = dialect.numerics.constant(g, 'embeddings.positions', dims, weights.positions)
  const tokens = g.op('Slice', [batchTokens, g.int64s(1), g.int64s(2)])
  const positions = g.op('Slice', [table, g.int64s(0), tokens, g.int64s(0)])
  return g.op('Add', [dialect.words(g, ids), positions])
}

function addAttention(
  g: GraphBuilder,
  dialect: Dialect,
  layer: LayerWeights,
  index: number,
  input: string,
  attention: Attention,
  shaper: Shaper,
): string {
  const parts = dialect.linear(g, { layer: index, kind: 'qkv' }, input, layer.qkv)
  const [query, key, value] = parts.map((rows) => shaper.toStates(rows))
  const projected: Projected = [query as string, key as string, value as string]
  const context = shaper.toRows(attention.mix(g, projected))
  return dialect.linear(g, { layer: index, kind: 'out' }, context, layer.out)[0] as string
}

function addFeedForward(
  g: GraphBuilder,
  dialect: Dialect,
  weights: EncoderWeights,
  index: number,
  input: string,
): string {
  const layer = weights.layers[index] as LayerWeights
  const [inner] = dialect.linear(g, { layer: index, kind: 'ffnIn' }, input, layer.ffnIn)
  const active = addActivation(g, dialect.numerics, weights, inner as string)
  return dialect.linear(g, { layer: index, kind: 'ffnOut' }, active, layer.ffnOut)[0] as string
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
