import type { NearestRows } from '../../lib/maths/matrix-kernels.ts'
import { ELEMENT_TYPES, GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import type { WireMemory } from '../protocol.ts'
import { openSession } from '../session.ts'

/** The exact search in one memory; owned by one thread. */
export interface MemoryKernel {
  /** The nearest rows of unit vectors of shape [rows, dimension]. */
  search(vectors: Float32Array, rows: number): Promise<NearestRows>
  release(): Promise<void>
}

/**
 * Builds a graph of inner products with all rows and the `k` largest of them, ties to the lower row, and runs
 * it once, so that the first request finds it warm. Rows are float32: the similarities of training.
 */
export async function createMemoryKernel(
  memory: WireMemory,
  dimension: number,
): Promise<MemoryKernel> {
  const session = await openSession(buildSearch(memory, dimension))
  const k = Math.min(memory.k, memory.scales.length)
  const search = async (vectors: Float32Array, rows: number): Promise<NearestRows> => {
    const outputs = await session.run({ vectors: { data: vectors, dims: [rows, dimension] } })
    return {
      similarities: outputs.similarities?.data as Float32Array,
      indices: outputs.indices?.data as Int32Array,
      k,
    }
  }
  await search(new Float32Array(dimension), 1)
  return { search, release: () => session.release() }
}

function buildSearch({ embeddings, scales, k: limit }: WireMemory, dimension: number): Uint8Array {
  const count = scales.length
  const k = Math.min(limit, count)
  const rows = new Float32Array(embeddings.length)
  for (let row = 0, i = 0; row < count; row++) {
    const scale = scales[row] as number
    for (const end = i + dimension; i < end; i++) rows[i] = (embeddings[i] as number) * scale
  }
  const graph = new GraphBuilder('memory')
  const vectors = graph.input('vectors', 'float32', ['batch', dimension])
  graph.constant('rows', 'float32', [count, dimension], rows)
  const products = graph.op('Gemm', [vectors, 'rows'], { transB: 1 })
  const [values, places] = graph.ops('TopK', [products, graph.int64s(k)], 2, { axis: 1 })
  graph.output('similarities', values as string, 'float32', ['batch', k])
  const indices = graph.op('Cast', [places as string], { to: ELEMENT_TYPES.int32 })
  graph.output('indices', indices, 'int32', ['batch', k])
  return serializeModel(graph.build()).graph
}
