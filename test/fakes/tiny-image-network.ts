import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeFloat16 } from '../../shared/lib/maths/float16.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { type Graph, GraphBuilder } from '../../shared/onnx/graph.ts'
import { serializeModel } from '../../shared/onnx/writer.ts'

/** Side of the images that the tiny network reads. */
export const TINY_SIDE = 8

/**
 * A network of one convolution with its activation, a residual block, pooling and three classes: layers `relu`
 * [4, 8, 8], `sum` [4, 8, 8], `features` [4] and `scores` [3].
 * @param type of everything, weights, inputs and outputs alike
 */
export function buildTinyImageNetwork(
  type: 'float32' | 'float16' = 'float32',
  side: number | string = TINY_SIDE,
): Graph {
  const random = createRandom(5)
  const g = new GraphBuilder('tiny')
  const constant = (name: string, dims: readonly number[]): string => {
    const size = dims.reduce((product, dim) => product * dim, 1)
    // Multiples of 1/16, which both types hold exactly.
    const values = Float32Array.from({ length: size }, () => (random.below(33) - 16) / 16)
    return g.constant(name, type, dims, type === 'float32' ? values : encodeFloat16(values))
  }
  const node = (op: string, inputs: string[], output: string, attributes = {}): string =>
    g.op(op, inputs, attributes, { outputs: [output] })
  const same = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
  const input = g.input('image', type, [1, 3, side, side])
  const conv = node(
    'Conv',
    [input, constant('w1', [4, 3, 3, 3]), constant('b1', [4])],
    'conv',
    same,
  )
  const relu = node('Relu', [conv], 'relu')
  const branch = node('Conv', [relu, constant('w2', [4, 4, 3, 3])], 'branch', same)
  const sum = node('Add', [branch, relu], 'sum')
  const kept = node('Dropout', [sum], 'kept')
  const mean = node('GlobalAveragePool', [kept], 'mean')
  const features = node('Flatten', [mean], 'features', { axis: 1 })
  const classes = [features, constant('w3', [3, 4]), constant('b3', [3])]
  const scores = node('Gemm', classes, 'scores', { transB: 1 })
  g.output('scores', scores, type, [1, 3])
  return g.build()
}

/** Writes the folder of a tiny network, as `espalier export` takes it. */
export async function writeTinyImageFolder(
  folder: string,
  {
    graph = buildTinyImageNetwork(),
    config = tinyImageConfig(),
  }: { readonly graph?: Graph | Uint8Array; readonly config?: object } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const bytes = graph instanceof Uint8Array ? graph : serializeModel(graph).graph
  await writeFile(join(folder, 'model.onnx'), bytes)
  await writeFile(join(folder, 'espalier.json'), JSON.stringify(config))
}

/** How the tiny network wants its images. */
export function tinyImageConfig() {
  return {
    modality: 'image',
    preprocessing: {
      width: TINY_SIDE,
      height: TINY_SIDE,
      resize: { rule: 'shortest-edge', size: 10, interpolation: 'linear' },
      crop: 'center',
      channels: 'rgb',
      scale: 1 / 255,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
  }
}
