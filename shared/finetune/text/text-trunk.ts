import { storedLayerNames } from '../../exporter/source/tensor-names.ts'
import type { EncoderWeights, LayerWeights, Linear, Norm } from '../../exporter/source/weights.ts'
import { addStack } from '../../exporter/text/encoder-graph.ts'
import { poolStates } from '../../exporter/text/pooling-graph.ts'
import { EspalierError } from '../../lib/errors.ts'
import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import type { BatchStart, Parameter, Trunk } from '../graph/types.ts'
import type { Trainable } from '../types.ts'
import { createTrainingDialect, LINEAR_NAMES } from './training-dialect.ts'

const NORM_NAMES = { attentionNorm: 'attention_norm', outputNorm: 'output_norm' } as const

/** The frozen part of an encoder of texts; its output is what `start` of a batch takes. */
export interface LowerGraph {
  readonly graph: Graph
  readonly ids: string
  readonly mask: string
  /** States [batch, tokens, hidden] or embeddings [batch, dimension]. */
  readonly output: string
}

/** An encoder of texts in training. */
export interface TextTrunk extends Trunk {
  /** Builds the frozen part below the trained one, for a cache; null where all layers are trained. */
  buildLower(): LowerGraph | null
}

/** What an encoder of texts is made from, and what of it is trained. */
export interface TextTrunkOptions {
  readonly weights: EncoderWeights
  readonly pooling: 'mean' | 'cls' | 'max'
  readonly trainable: Trainable
}

/** Ours are written in it. */
const OPSET = 17

/** @throws EspalierError `invalid_request` for a number of layers that does not fit */
export function createTextTrunk(options: TextTrunkOptions): TextTrunk {
  const { weights, trainable } = options
  const parameters = listLayers(weights, trainable)
  return {
    opset: OPSET,
    dimension: outputDimension(weights),
    parameters,
    addTrained: (g) => addTrained(g, options, parameters),
    buildLower: () => buildLower(options),
  }
}

function buildLower({ weights, pooling, trainable }: TextTrunkOptions): LowerGraph | null {
  const to = firstTrained(weights, trainable)
  if (to === 0) return null
  const g = new GraphBuilder('lower', OPSET)
  const { hidden } = weights.config
  const ids = g.input('ids', 'int32', ['batch', 'tokens'])
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const dialect = createTrainingDialect(weights, new Set())
  const states = addStack(g, { weights, dialect, start: { ids }, mask, to })
  if (trainable.kind === 'head') {
    const { embedding } = poolStates(g, { states, mask, pooling, hidden, dense: weights.dense })
    g.output('embedding', embedding, 'float32', ['batch', outputDimension(weights)])
    return { graph: g.build(), ids, mask, output: 'embedding' }
  }
  g.output('states', states, 'float32', ['batch', 'tokens', hidden])
  return { graph: g.build(), ids, mask, output: 'states' }
}

function addTrained(
  g: GraphBuilder,
  { weights, pooling, trainable }: TextTrunkOptions,
  parameters: readonly Parameter[],
): { start: BatchStart; embedding: string } {
  const { hidden } = weights.config
  if (trainable.kind === 'head') {
    const dims = ['batch', outputDimension(weights)]
    const embeddings = g.input('embeddings', 'float32', dims)
    return { start: { kind: 'embeddings', embeddings }, embedding: embeddings }
  }
  const from = firstTrained(weights, trainable)
  const start =
    from === 0
      ? ({ kind: 'ids', ids: g.input('ids', 'int32', ['batch', 'tokens']) } as const)
      : ({
          kind: 'states',
          states: g.input('states', 'float32', ['batch', 'tokens', hidden]),
        } as const)
  const mask = g.input('mask', 'float32', ['batch', 'tokens'])
  const dialect = createTrainingDialect(weights, new Set(parameters.map(({ name }) => name)))
  const entered = { ...start, mask }
  const states = addStack(g, { weights, dialect, start: entered, mask, from })
  const { embedding } = poolStates(g, { states, mask, pooling, hidden, dense: weights.dense })
  return { start: entered, embedding }
}

/** Numbers of one embedding of a text. */
export function outputDimension(weights: EncoderWeights): number {
  return weights.dense?.outputs ?? weights.config.hidden
}

/**
 * The trained tensors of an encoder of texts. Word and position tables, their normalisation and a dense layer
 * behind pooling stay as they are in every set.
 * @throws EspalierError `invalid_request`
 */
export function listLayers(weights: EncoderWeights, trainable: Trainable): Parameter[] {
  const parameters: Parameter[] = []
  for (let index = firstTrained(weights, trainable); index < weights.layers.length; index++) {
    parameters.push(...listLayer(weights.layers[index] as LayerWeights, `layers.${index}`))
  }
  // A bias that the architecture does not have stays zero.
  const stored = storedLayerNames(weights.config)
  return parameters.filter(({ name }) => stored.has(name))
}

/** Index of the first layer that is trained; the number of layers where none is. */
export function firstTrained(weights: EncoderWeights, trainable: Trainable): number {
  const count = weights.layers.length
  if (trainable.kind === 'all') return 0
  if (trainable.kind === 'head') return count
  if (trainable.kind === 'above') {
    throw new EspalierError(
      'invalid_request',
      `layers above ${trainable.layer}: those of an encoder of texts have no names; give their number`,
    )
  }
  if (Number.isInteger(trainable.count) && trainable.count >= 1 && trainable.count <= count) {
    return count - trainable.count
  }
  throw new EspalierError(
    'invalid_request',
    `layers to train ${trainable.count}: this encoder has ${count}; give 1 to ${count}`,
  )
}

function listLayer(layer: LayerWeights, at: string): Parameter[] {
  return [
    ...listLinear(layer.qkv, `${at}.${LINEAR_NAMES.qkv}`),
    ...listLinear(layer.out, `${at}.${LINEAR_NAMES.out}`),
    ...(layer.attentionNorm
      ? listNorm(layer.attentionNorm, `${at}.${NORM_NAMES.attentionNorm}`)
      : []),
    ...listLinear(layer.ffnIn, `${at}.${LINEAR_NAMES.ffnIn}`),
    ...listLinear(layer.ffnOut, `${at}.${LINEAR_NAMES.ffnOut}`),
    ...listNorm(layer.outputNorm, `${at}.${NORM_NAMES.outputNorm}`),
  ]
}

function listLinear({ inputs, outputs, weight, bias }: Linear, at: string): Parameter[] {
  return [
    trained(`${at}.weight`, [outputs, inputs], weight, true),
    trained(`${at}.bias`, [outputs], bias, false),
  ]
}

function listNorm({ gamma, beta }: Norm, at: string): Parameter[] {
  return [
    trained(`${at}.gamma`, [gamma.length], gamma, false),
    trained(`${at}.beta`, [beta.length], beta, false),
  ]
}

function trained(
  name: string,
  dims: readonly number[],
  initial: Float32Array,
  decay: boolean,
): Parameter {
  return { name, dims, group: 'encoder', decay, initial }
}
