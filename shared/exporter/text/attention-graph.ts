import { ELEMENT_TYPES, type GraphBuilder } from '../../onnx/graph.ts'
import type { Numerics } from './numerics.ts'
import {
  addDistanceBias,
  composeRotation,
  fuseRotation,
  MASKED_SCORE,
  type PositionOptions,
} from './position-graph.ts'

/** Query, key and value: [batch, tokens, hidden] each. */
export type Projected = readonly [query: string, key: string, value: string]

/** Adds one layer's attention: context [batch, tokens, hidden], each token's mix of values. */
export type AddAttention<T = Projected> = (projected: T) => string

/** What attention needs to know of the network and of a run. */
export interface AttentionOptions extends PositionOptions {
  readonly heads: number
  /** 1 for tokens and 0 for padding after them, [batch, tokens], float32. */
  readonly mask: string
}

/** The same where positions rotate queries and keys. */
export type RotatedOptions = AttentionOptions & { readonly ropeBase: number }

/** @returns whether queries and keys are rotated */
export function isRotated(options: AttentionOptions): options is RotatedOptions {
  return options.ropeBase !== null
}

/**
 * ONNX's Attention operator: on CPUs it reads heads where they lie, keeps one head's scores in the cache from
 * product to softmax, and touches scores of padding only. Padding must come after the tokens.
 */
export function fuseAttention(g: GraphBuilder, options: AttentionOptions): AddAttention {
  const { heads, headSize } = options
  const counts = g.op('ReduceSum', [options.mask, g.int64s(1)], { keepdims: 0 })
  const lengths = g.op('Cast', [counts], { to: ELEMENT_TYPES.int64 })
  const scale = { float: 1 / Math.sqrt(headSize) }
  const attributes = { q_num_heads: heads, kv_num_heads: heads, scale }
  const bias = addDistanceBias(g, options) ?? ''
  const rotate = isRotated(options) ? fuseRotation(g, options) : (rows: string) => rows
  return ([query, key, value]) => {
    const turned = [rotate(query, heads), rotate(key, heads), value]
    return g.op('Attention', [...turned, bias, '', '', lengths], attributes)
  }
}

/** Attention in plain operators, for calibration in float64 and for devices other than CPUs. */
export function composeAttention(g: GraphBuilder, options: AttentionOptions): AddAttention {
  const { numerics: n, heads, headSize } = options
  const batchTokens = g.op('Shape', [options.ids])
  const apart = g.op('Concat', [batchTokens, g.int64s(heads, headSize)], { axis: 0 })
  const together = g.op('Concat', [batchTokens, g.int64s(heads * headSize)], { axis: 0 })
  const scoreMask = addMasks(g, options)
  const rotate = isRotated(options) ? composeRotation(g, options) : (rows: string) => rows
  return (projected) => {
    const [query, key, value] = projected.map((rows) =>
      g.op('Transpose', [g.op('Reshape', [rows, apart])], { perm: [0, 2, 1, 3] }),
    ) as [string, string, string]
    const scores = n.scaledProduct(g, rotate(query), rotate(key), 1 / Math.sqrt(headSize))
    const shares = g.op('Softmax', [g.op('Add', [scores, scoreMask])], { axis: -1 })
    const mixed = g.op('MatMul', [shares, value])
    return g.op('Reshape', [g.op('Transpose', [mixed], { perm: [0, 2, 1, 3] }), together])
  }
}

/** What is added to scores [batch, heads, tokens, tokens]: the mask of padding, and what distances say. */
export function addMasks(g: GraphBuilder, options: AttentionOptions): string {
  const scoreMask = addScoreMask(g, options.numerics, options.mask)
  const bias = addDistanceBias(g, options)
  return bias === null ? scoreMask : g.op('Add', [bias, scoreMask])
}

/** 0 for tokens and −10,000 for padding, shape [batch, 1, 1, tokens]. */
function addScoreMask(g: GraphBuilder, n: Numerics, mask: string): string {
  const scalar = (name: string, value: number) =>
    g.has(name) ? name : g.constant(name, 'float32', [], Float32Array.of(value))
  const shifted = g.op('Sub', [mask, scalar('one', 1)])
  const large = scalar('masked_score', MASKED_SCORE)
  const scores = g.op('Unsqueeze', [g.op('Mul', [shifted, large]), g.int64s(1, 2)])
  return n.fromFloat32(g, scores)
}
