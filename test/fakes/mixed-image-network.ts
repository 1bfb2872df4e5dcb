import { createRandom } from '../../shared/lib/maths/random.ts'
import { type Graph, GraphBuilder } from '../../shared/onnx/graph.ts'

/** Side of the images that the mixed network reads. */
export const MIXED_SIDE = 16

/**
 * A network of all that int8 has to deal with: strides, padding, groups, a convolution for each channel, ReLU and
 * a Clip to 6, a residual sum, pooling by the largest value, joined channels, an operator that knows no uint8
 * between convolutions, and one without bias: layer `features` [12].
 */
export function buildMixedImageNetwork(): Graph {
  const random = createRandom(11)
  const g = new GraphBuilder('mixed')
  const weight = (name: string, dims: readonly number[], fan: number): string => {
    const size = dims.reduce((product, dim) => product * dim, 1)
    const spread = Math.sqrt(6 / fan)
    const values = Float32Array.from({ length: size }, () => spread * (random.next() * 2 - 1))
    return g.constant(name, 'float32', dims, values)
  }
  const node = (op: string, inputs: string[], output: string, attributes = {}): string =>
    g.op(op, inputs, attributes, { outputs: [output] })
  const conv = (x: string, name: string, dims: readonly number[], attributes = {}, bias = true) => {
    const fan = dims.slice(1).reduce((product, dim) => product * dim, 1)
    const inputs = [x, weight(`${name}.w`, dims, fan)]
    if (bias) inputs.push(weight(`${name}.b`, [dims[0] as number], 60))
    return node('Conv', inputs, name, { kernel_shape: dims.slice(2), ...attributes })
  }
  const six = [g.scalar(0), g.scalar(6)]
  const around = { pads: [1, 1, 1, 1] }
  const x = g.input('image', 'float32', ['n', 3, MIXED_SIDE, MIXED_SIDE])
  const stem = conv(x, 'stem', [8, 3, 3, 3], { strides: [2, 2], pads: [0, 0, 1, 1] })
  const first = node('Clip', [stem, ...six], 'first')
  const deep = conv(first, 'deep', [8, 1, 3, 3], { group: 8, ...around })
  const second = node('Clip', [deep, ...six], 'second')
  const thin = conv(second, 'thin', [8, 8, 1, 1], {}, false)
  const sum = node('Relu', [node('Add', [thin, first], 'sum')], 'rectified')
  const pool = node('MaxPool', [sum], 'pool', { kernel_shape: [2, 2], strides: [2, 2] })
  const left = node('Relu', [conv(pool, 'left', [4, 8, 1, 1])], 'left.relu')
  const right = node(
    'Relu',
    [conv(pool, 'right', [8, 4, 3, 3], { group: 2, ...around })],
    'right.relu',
  )
  const joined = node('Concat', [left, right], 'joined', { axis: 1 })
  const gate = node('Sigmoid', [conv(joined, 'gate', [12, 12, 1, 1])], 'opened')
  const gated = node('Mul', [joined, gate], 'gated')
  const last = node('Relu', [conv(gated, 'last', [12, 12, 1, 1])], 'last.relu')
  const mean = node('GlobalAveragePool', [last], 'mean')
  const features = node('Flatten', [mean], 'features', { axis: 1 })
  const scores = node('MatMul', [features, weight('classes', [12, 3], 12)], 'scores')
  g.output('scores', scores, 'float32', ['n', 3])
  return g.build()
}

/** How the mixed network wants its images. */
export function mixedImageConfig() {
  return {
    modality: 'image',
    preprocessing: {
      width: MIXED_SIDE,
      height: MIXED_SIDE,
      resize: { rule: 'shortest-edge', size: 18, interpolation: 'linear' },
      crop: 'center',
      channels: 'rgb',
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    },
  }
}
