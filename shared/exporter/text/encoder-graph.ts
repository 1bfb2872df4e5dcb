import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import type { Pooling } from '../source/source-config.ts'
import type { EncoderWeights, LayerWeights, Linear, Norm } from '../source/weights.ts'
import {
  type AddAttention,
  type AttentionOptions,
  composeAttention,
  fuseAttention,
  type Projected,
} from './attention-graph.ts'
import type { Numerics } from './numerics.ts'
import { addPooling } from './pooling-graph.ts'

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
  /** Outputs of a linear layer: query, key and value for `qkv` as attention takes them, one value otherwise. */
  linear(g: GraphBuilder, site: Site, input: string, linear: Linear): string[]
  /** Attention on rows as `linear` gives them. @default on three values [batch, tokens, hidden] */
  readonly attention?: (
    g: GraphBuilder,
    options: AttentionOptions,
  ) => AddAttention<readonly string[]>
}

/** Where a stack of layers starts: at token ids, or at states [batch, tokens, hidden] of the layer below. */
export type StackStart = { readonly ids: string } | { readonly states: string }

/** A stack of transformer layers, or the upper or lower part of one. */
export interface Stack {
  readonly weights: EncoderWeights
  readonly dialect: Dialect
  readonly start: StackStart
  /** 1 for tokens and 0 for padding after them, [batch, tokens], float32. */
  readonly mask: string
  /** First layer. @default 0 */
  readonly from?: number
  /** Behind the last layer. @default all */
  readonly to?: number
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
  const g = new GraphBuilder('encoder', numerics.fusedAttention ? 24 : 17)
  const ids = g.input(GRAPH_NAMES.ids, 'int32', ['batch', 'tokens'])
  const mask = g.input(GRAPH_NAMES.mask, 'float32', ['batch', 'tokens'])
  const states = addStack(g, { weights, dialect, start: { ids }, mask })
  addPooling(g, { states, mask, pooling, hidden: weights.config.hidden, dense: weights.dense })
  return g.build()
}

/** Adds a stack's layers and names the states that they leave, [batch, tokens, hidden] float32. */
export function addStack(g: GraphBuilder, stack: Stack): string {
  const { weights, dialect, start, mask } = stack
  const { hidden, heads } = weights.config
  const { from = 0, to = weights.layers.length } = stack
  const ids = 'ids' in start ? start.ids : mask
  const shaper = createShaper(g, dialect, ids, hidden)
  const options = { numerics: dialect.numerics, heads, headSize: hidden / heads, ids, mask }
  const attend = chooseAttention(g, dialect, options, shaper)
  const nextSite = (layer: number): Site | null => (layer < to ? { layer, kind: 'qkv' } : null)

  let x: Normed
  if ('ids' in start) {
    const sum = shaper.toRows(addEmbeddings(g, dialect, weights, ids))
    x = dialect.norm(g, 'embeddings.norm', sum, weights.embeddingNorm, nextSite(from))
  } else {
    const rows = shaper.toRows(start.states)
    x = { input: rows, residual: rows }
  }
  for (let index = from; index < to; index++) {
    const layer = weights.layers[index] as LayerWeights
    const name = `layers.${index}`
    const attended = addAttention(g, dialect, layer, index, x.input, attend)
    let sum = g.op('Add', [attended, x.residual])
    const inner: Site = { layer: index, kind: 'ffnIn' }
    x = dialect.norm(g, `${name}.attention_norm`, sum, layer.attentionNorm, inner)
    sum = g.op('Add', [addFeedForward(g, dialect, weights, index, x.input), x.residual])
    x = dialect.norm(g, `${name}.output_norm`, sum, layer.outputNorm, nextSite(index + 1))
  }
  return dialect.numerics.toFloat32(g, shaper.toStates(x.input))
}

function chooseAttention(
  g: GraphBuilder,
  dialect: Dialect,
  options: AttentionOptions,
  shaper: Shaper,
): AddAttention<readonly string[]> {
  if (dialect.attention) return dialect.attention(g, options)
  const { fusedAttention } = dialect.numerics
  const attend = fusedAttention ? fuseAttention(g, options) : composeAttention(g, options)
  return (parts) => {
    const [query, key, value] = parts.map((rows) => shaper.toStates(rows))
    const projected: Projected = [query as string, key as string, value as string]
    return shaper.toRows(attend(projected))
  }
}

/** Brings matrices into the dialect's shape and back to [batch, tokens, hidden]; no data moves. */
interface Shaper {
  toRows(states: string): string
  toStates(rows: string): string
}

function createShaper(g: GraphBuilder, dialect: Dialect, ids: string, hidden: number): Shaper {
  if (dialect.rows === 'batched') return { toRows: (value) => value, toStates: (value) => value }
  const shape = g.op('Concat', [g.op('Shape', [ids]), g.int64s(hidden)], { axis: 0 })
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
): string {
  const dims = [weights.positionCount, weights.config.hidden]
  const table = dialect.numerics.constant(g, 'embeddings.positions', dims, weights.positions)
  const tokens = g.op('Shape', [ids], { start: 1, end: 2 })
  const positions = g.op('Slice', [table, g.int64s(0), tokens, g.int64s(0)])
  return g.op('Add', [dialect.words(g, ids), positions])
}

function addAttention(
  g: GraphBuilder,
  dialect: Dialect,
  layer: LayerWeights,
  index: number,
  input: string,
  attend: AddAttention<readonly string[]>,
): string {
  const parts = dialect.linear(g, { layer: index, kind: 'qkv' }, input, layer.qkv)
  const context = attend(parts)
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
