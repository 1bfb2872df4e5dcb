import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import type { WireDistance, WireProjection } from '../protocol.ts'
import { openSession } from '../session.ts'

/** All heads of a projection as one graph; owned by one thread. */
export interface ProjectionKernel {
  readonly columns: number
  /**
   * Scores of shape [rows, columns] for unit vectors of shape [rows, dimension]; `norms` [rows] are the lengths
   * that they had, for heads on pooled vectors.
   */
  project(vectors: Float32Array, rows: number, norms?: Float32Array): Promise<Float32Array>
  release(): Promise<void>
}

/** Builds a graph with the weights as constants, so that ONNX Runtime packs them once. */
export async function createProjectionKernel(
  projection: WireProjection,
  dimension: number,
): Promise<ProjectionKernel> {
  const { graph } = serializeModel(buildProjection(projection, dimension))
  const session = await openSession(graph)
  return {
    columns: projection.columns,
    async project(vectors, rows, norms = new Float32Array(rows).fill(1)) {
      const outputs = await session.run({
        vectors: { data: vectors, dims: [rows, dimension] },
        ...(projection.pooled && { norms: { data: norms, dims: [rows, 1] } }),
      })
      return outputs.scores?.data as Float32Array
    },
    release: () => session.release(),
  }
}

function buildProjection(projection: WireProjection, dimension: number): Graph {
  const { columns, weights, bias, distances, pooled } = projection
  const builder = new GraphBuilder('projection')
  const input = builder.input('vectors', 'float32', ['batch', dimension])
  builder.constant('weights', 'float32', [bias.length, dimension], weights)
  builder.constant('bias', 'float32', [bias.length], bias)
  const products = pooled
    ? scaleProducts(builder, input, pooled)
    : builder.op('Gemm', [input, 'weights', 'bias'], { transB: 1 })
  const affine = columns - distances.length
  const scores =
    distances.length > 0 ? appendDistances(builder, products, affine, distances) : products
  builder.output('scores', scores, 'float32', ['batch', columns])
  return builder.build()
}

/** W·p = |p| · W·(p / |p|): products of unit vectors, those of some columns scaled back, before the bias. */
function scaleProducts(builder: GraphBuilder, vectors: string, pooled: Uint8Array): string {
  const norms = builder.input('norms', 'float32', ['batch', 1])
  const scaled = builder.constant('scaled', 'float32', [pooled.length], Float32Array.from(pooled))
  const plain = Float32Array.from(pooled, (flag) => 1 - flag)
  const unscaled = builder.constant('plain', 'float32', [pooled.length], plain)
  const factors = builder.op('Add', [builder.op('Mul', [norms, scaled]), unscaled])
  const products = builder.op('Gemm', [vectors, 'weights'], { transB: 1 })
  return builder.op('Add', [builder.op('Mul', [products, factors]), 'bias'])
}

/**
 * min |y - m|² - Σ b y² = min (|m|² - 2 m·y) + Σ (1 - b) y²: a product for each head's means, and a single one
 * for the squares of all heads.
 */
function appendDistances(
  builder: GraphBuilder,
  products: string,
  affine: number,
  distances: readonly WireDistance[],
): string {
  const heads = distances.length
  const ranks = distances.map(({ background }) => background.length)
  const width = ranks.reduce((sum, rank) => sum + rank, affine)
  const parts = [affine, ...ranks]
  const split = builder.ops('Split', [products, builder.int64s(...parts)], parts.length, {
    axis: 1,
  })
  const squareWeights = new Float32Array(width * heads)
  let column = affine
  const nearest = distances.map(({ means, background }, head) => {
    for (const share of background) squareWeights[column++ * heads + head] = 1 - share
    const rank = background.length
    const groups = means.length / rank
    const factors = builder.constant(
      `means${head}`,
      'float32',
      [groups, rank],
      means.map((mean) => -2 * mean),
    )
    const norms = builder.constant(`norms${head}`, 'float32', [groups], squaredNorms(means, rank))
    const terms = builder.op('Gemm', [split[head + 1] as string, factors, norms], { transB: 1 })
    return builder.op('ReduceMin', [terms], { axes: [1], keepdims: 1 })
  })
  const squares = builder.op('Mul', [products, products])
  const shares = builder.constant('squares', 'float32', [width, heads], squareWeights)
  const spread = builder.op('Gemm', [squares, shares])
  const offsets = builder.op('Concat', nearest, { axis: 1 })
  const distance = builder.op('Add', [offsets, spread])
  return builder.op('Concat', [split[0] as string, distance], { axis: 1 })
}

function squaredNorms(means: Float32Array, rank: number): Float32Array {
  return Float32Array.from({ length: means.length / rank }, (_, group) => {
    const mean = means.subarray(group * rank, (group + 1) * rank)
    return mean.reduce((sum, value) => sum + value * value, 0)
  })
}
