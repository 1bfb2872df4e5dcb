import type { EncoderWeights, LayerWeights, Linear, Norm } from '../../exporter/source/weights.ts'
import { EspalierError } from '../../lib/errors.ts'
import { scoreScale } from '../graph/affine-head.ts'
import type { Parameter, Trainable, TrainingGraphOptions } from '../graph/types.ts'

/** Names of a layer's linear layers in our tree, by their field in the weights. */
export const LINEAR_NAMES = { qkv: 'qkv', out: 'out', ffnIn: 'ffn_in', ffnOut: 'ffn_out' } as const
const NORM_NAMES = { attentionNorm: 'attention_norm', outputNorm: 'output_norm' } as const

type HeadOptions = Pick<TrainingGraphOptions, 'trunk' | 'loss' | 'classes' | 'initialHead'>

/**
 * The tensors that are trained, the encoder's first.
 * @throws EspalierError `invalid_request`
 */
export function listParameters(options: HeadOptions): Parameter[] {
  const parameters = [...options.trunk.parameters, ...listHead(options)]
  if (parameters.length === 0) {
    throw new EspalierError(
      'invalid_request',
      'a contrastive loss has no output layer to train: train all or some layers',
    )
  }
  return parameters
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
  return parameters
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
    ...listNorm(layer.attentionNorm, `${at}.${NORM_NAMES.attentionNorm}`),
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

function listHead({ trunk, loss, classes, initialHead }: HeadOptions): Parameter[] {
  if (loss.kind === 'contrastive') return []
  const { dimension } = trunk
  const { weight, bias } = initialHead ?? {}
  if (weight?.length !== classes * dimension || bias?.length !== classes || classes < 1) {
    throw new EspalierError(
      'invalid_request',
      `the head to start from must have ${classes} rows of ${dimension} weights and ${classes} biases`,
    )
  }
  const matrix: Parameter = {
    name: 'head.weight',
    dims: [classes, dimension],
    group: 'head',
    decay: true,
    initial: weight.map((value) => value / scoreScale(dimension, loss)),
  }
  if (loss.kind === 'cosine-softmax') return [matrix]
  return [
    matrix,
    { name: 'head.bias', dims: [classes], group: 'head', decay: false, initial: bias },
  ]
}
