import { EspalierError } from '../../lib/errors.ts'
import { bypassIdentities } from '../../onnx/cut.ts'
import type { Graph, ValueInfo } from '../../onnx/graph.ts'
import { widenFloat16 } from '../../onnx/widen.ts'
import type { ImageFolder } from '../source/image-folder.ts'
import { readOnnxFile } from '../source/onnx-file.ts'

/** An image network in float32, and its one input [batch, 3, height, width]. */
export interface ImageNetwork {
  readonly graph: Graph
  readonly input: ValueInfo
}

/**
 * Reads the network of a folder, whatever precision it is stored in.
 * @throws EspalierError `invalid_model_file`, `unsupported_model` for inputs that are no image of the declared size
 */
export async function readImageNetwork({
  model,
  preprocessing,
}: Pick<ImageFolder, 'model' | 'preprocessing'>): Promise<ImageNetwork> {
  const graph = bypassIdentities(widenFloat16(await readOnnxFile(model)))
  const [input, ...others] = graph.inputs
  const { width, height } = preprocessing
  const wanted = [null, 3, height, width]
  const fits =
    input?.type === 'float32' &&
    input.shape.length === wanted.length &&
    input.shape.every((dim, axis) => axis === 0 || typeof dim === 'string' || dim === wanted[axis])
  if (fits && others.length === 0) {
    return { graph, input: { ...input, shape: ['batch', 3, height, width] } }
  }
  const found = graph.inputs.map(({ name, type, shape }) => `${name} ${type} [${shape.join(', ')}]`)
  throw new EspalierError(
    'unsupported_model',
    `${model}: its inputs are ${found.join('; ')}; one of float32 or float16 [batch, 3, ${height}, ${width}] is needed`,
  )
}
