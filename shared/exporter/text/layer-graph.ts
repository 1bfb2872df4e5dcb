import type { GraphBuilder } from '../../onnx/graph.ts'
import type { Block } from '../architectures/architecture.ts'
import { ARCHITECTURES } from '../architectures/table.ts'
import type { EncoderWeights, LayerWeights } from '../source/weights.ts'
import type { AddAttention } from './attention-graph.ts'
import type { Dialect, Normed, Site } from './dialect.ts'
import type { Numerics } from './numerics.ts'

/** How the layers of an encoder compute. */
export function blockOf({ config }: EncoderWeights): Block {
  return ARCHITECTURES[config.architecture].block
}

/** One layer to be added to a graph. */
export interface LayerPlan {
  readonly g: GraphBuilder
  readonly dialect: Dialect
  readonly weights: EncoderWeights
  readonly feedForward: Block['feedForward']
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
  const { g, dialect, weights, index, states, next } = plan
  const { attentionNorm, outputNorm } = weights.layers[index] as LayerWeights
  const name = `layers.${index}`
  const inner: Site = { layer: index, kind: 'ffnIn' }
  const attended = addAttention(plan, states.input)
  let sum = g.op('Add', [attended, states.residual])
  const x =
    attentionNorm === null
      ? { input: sum, residual: sum }
      : dialect.norm(g, `${name}.attention_norm`, sum, attentionNorm, inner)
  sum = g.op('Add', [addFeedForward(plan, x.input), x.residual])
  return dialect.norm(g, `${name}.output_norm`, sum, outputNorm, next)
}

/**
 * Attention and feed-forward read normalised states, and are added to the states as they were: Xiong et al., 2020,
 * https://arxiv.org/abs/2002.04745.
 */
export const addPreNormLayer: AddLayer = (plan) => {
  const { g, dialect, weights, index, states } = plan
  const { attentionNorm, outputNorm } = weights.layers[index] as LayerWeights
  const name = `layers.${index}`
  const input = attentionNorm
    ? dialect.normInput(g, `${name}.attention_norm`, states.residual, attentionNorm, {
        layer: index,
        kind: 'qkv',
      })
    : states.input
  const sum = g.op('Add', [addAttention(plan, input), states.residual])
  const inner: Site = { layer: index, kind: 'ffnIn' }
  const x = dialect.normInput(g, `${name}.output_norm`, sum, outputNorm, inner)
  const output = g.op('Add', [addFeedForward(plan, x), sum])
  return { input: output, residual: output }
}

function addAttention({ g, dialect, weights, index, attend }: LayerPlan, input: string): string {
  const layer = weights.layers[index] as LayerWeights
  const parts = dialect.linear(g, { layer: index, kind: 'qkv' }, input, layer.qkv)
  const context = attend(parts)
  return dialect.linear(g, { layer: index, kind: 'out' }, context, layer.out)[0] as string
}

function addFeedForward(plan: LayerPlan, input: string): string {
  const { g, dialect, weights, index, feedForward } = plan
  const layer = weights.layers[index] as LayerWeights
  const [inner] = dialect.linear(g, { layer: index, kind: 'ffnIn' }, input, layer.ffnIn)
  const active =
    feedForward === 'gated'
      ? addGate(g, dialect.numerics, weights, inner as string)
      : addActivation(g, dialect.numerics, weights, inner as string)
  return dialect.linear(g, { layer: index, kind: 'ffnOut' }, active, layer.ffnOut)[0] as string
}

/** The first half of the inner values, activated, times the second: Shazeer, 2020, https://arxiv.org/abs/2002.05202. */
function addGate(g: GraphBuilder, n: Numerics, weights: EncoderWeights, inner: string): string {
  const { intermediate } = weights.config
  const halves = [inner, g.int64s(intermediate, intermediate)]
  const [gate, factor] = g.ops('Split', halves, 2, { axis: -1 }) as [string, string]
  return g.op('Mul', [addActivation(g, n, weights, gate), factor])
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
  if (config.activation === 'silu') return g.op('Mul', [value, g.op('Sigmoid', [value])])
  return n.tanhGelu(g, value)
}
