import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import type { Block, LayerAttention } from '../architectures/architecture.ts'
import { attentionKey } from '../architectures/positions.ts'
import type { Pooling } from '../source/source-config.ts'
import type { EncoderWeights } from '../source/weights.ts'
import {
  type AddAttention,
  type AttentionOptions,
  composeAttention,
  fuseAttention,
  type Projected,
} from './attention-graph.ts'
import type { Dialect, Normed, Site } from './dialect.ts'
import { type AddLayer, addPostNormLayer, addPreNormLayer, blockOf } from './layer-graph.ts'
import { addPooling } from './pooling-graph.ts'

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

/** The builder of a layer, by how the architecture computes it. */
const LAYERS: Readonly<Record<Block['order'], AddLayer>> = {
  post: addPostNormLayer,
  pre: addPreNormLayer,
}
const PLAIN: LayerAttention = { ropeBase: null, window: null }

/**
 * Builds ids [batch, tokens] int32 and mask [batch, tokens] float32, padding last → `embedding` and `pooled`
 * [batch, dimension] float32: the layers of the architecture, pooling and L2 normalisation included.
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
  const kinds = new Map<string, AddAttention<readonly string[]>>()
  const kindOf = (index: number) => weights.config.attention?.[index] ?? PLAIN
  for (let index = from; index < to; index++) {
    const kind = kindOf(index)
    if (kinds.has(attentionKey(kind))) continue
    const options = {
      ...kind,
      numerics: dialect.numerics,
      heads,
      headSize: hidden / heads,
      ids,
      mask,
      positions: weights.positionCount,
      relative: weights.relative ?? null,
    }
    kinds.set(attentionKey(kind), chooseAttention(g, dialect, options, shaper))
  }
  const nextSite = (layer: number): Site | null => (layer < to ? { layer, kind: 'qkv' } : null)

  let x: Normed
  if ('ids' in start) {
    const sum = shaper.toRows(addEmbeddings(g, dialect, weights, ids))
    x = dialect.norm(g, 'embeddings.norm', sum, weights.embeddingNorm, nextSite(from))
  } else {
    const rows = shaper.toRows(start.states)
    x = { input: rows, residual: rows }
  }
  const { order, feedForward } = blockOf(weights)
  for (let index = from; index < to; index++) {
    const next = nextSite(index + 1)
    const attend = kinds.get(attentionKey(kindOf(index))) as AddAttention<readonly string[]>
    x = LAYERS[order]({ g, dialect, weights, feedForward, index, states: x, attend, next })
  }
  if (weights.finalNorm && to === weights.layers.length) {
    x = dialect.norm(g, 'final_norm', x.residual, weights.finalNorm, null)
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
  if (weights.positions === null) return dialect.words(g, ids)
  const dims = [weights.positionCount, weights.config.hidden]
  const table = dialect.numerics.constant(g, 'embeddings.positions', dims, weights.positions)
  const tokens = g.op('Shape', [ids], { start: 1, end: 2 })
  const positions = g.op('Slice', [table, g.int64s(0), tokens, g.int64s(0)])
  return g.op('Add', [dialect.words(g, ids), positions])
}
