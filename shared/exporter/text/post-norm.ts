import type { GraphBuilder } from '../../onnx/graph.ts'
import type { EncoderWeights, LayerWeights } from '../source/weights.ts'
import type { AddAttention } from './attention-graph.ts'
import type { Dialect, Normed, Site } from './dialect.ts'
import type { Numerics } from './numerics.ts'

/** One layer to be added to a graph. */
export interface LayerPlan {
  readonly g: GraphBuilder
  readonly dialect: Dialect
  readonly weights: EncoderWeights
  /** Which layer of `weights`. */
  readonly index: number
  /** What comes in. */
  readonly states: Normed
  readonly attend: AddAttention<readonly string[]>
  /** What reads the layer's output; null for pooling. */
  readonly next: Site | null
}

/** Adds a layer and names what it leaves. */
export type AddLayer = (plan: LayerPlan) => Normed

/** BERT's layer: attention and feed-forward, each added to its input and then normalised. */
export const addPostNormLayer: AddLayer = (plan) => {
  const { g, dialect, weights, index, states, attend, next } = plan
  const layer = weights.layers[index] as LayerWeights
  const name = `layers.${index}`
  const attended = addAttention(g, dialect, layer, index, states.input, attend)
  let sum = g.op('Add', [attended, states.residual])
  const inner: Site = { layer: index, kind: 'ffnIn' }
  const x = dialect.norm(g, `${name}.attention_norm`, sum, layer.attentionNorm, inner)
  sum = g.op('Add', [addFeedForward(g, dialect, weights, index, x.input), x.residual])
  return dialect.norm(g, `${name}.output_norm`, sum, layer.outputNorm, next)
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

/** The activation of the feed-forward part. */
export function addActivation(
  g: GraphBuilder,
  n: Numerics,
  { config }: EncoderWeights,
  value: string,
): string {
  if (config.activation === 'relu') return g.op('Relu', [value])
  if (config.activation === 'gelu') return n.gelu(g, value)
  return n.tanhGelu(g, value)
}
