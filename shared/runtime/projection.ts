import { GraphBuilder } from '../onnx/graph.ts'
import { serializeModel } from '../onnx/writer.ts'
import type { WireProjection } from './protocol.ts'
import { openSession } from './session.ts'

/** All heads of a projection as one matrix product; owned by one thread. */
export interface ProjectionKernel {
  readonly columns: number
  /** Scores of shape [rows, columns] for vectors of shape [rows, dimension]. */
  project(vectors: Float32Array, rows: number): Promise<Float32Array>
  release(): Promise<void>
}

/** Builds a graph of one Gemm with the weights as constants, so that ONNX Runtime packs them once. */
export async function createProjectionKernel(
  projection: WireProjection,
  dimension: number,
): Promise<ProjectionKernel> {
  const { columns, weights, bias } = projection
  const builder = new GraphBuilder('projection')
  const input = builder.input('vectors', 'float32', ['batch', dimension])
  builder.constant('weights', 'float32', [dimension, columns], weights)
  builder.constant('bias', 'float32', [columns], bias)
  const scores = builder.op('Gemm', [input, 'weights', 'bias'])
  builder.output('scores', scores, 'float32', ['batch', columns])
  const session = await openSession(serializeModel(builder.build()).graph)
  return {
    columns,
    async project(vectors, rows) {
      const outputs = await session.run({ vectors: { data: vectors, dims: [rows, dimension] } })
      return outputs.scores?.data as Float32Array
    },
    release: () => session.release(),
  }
}
