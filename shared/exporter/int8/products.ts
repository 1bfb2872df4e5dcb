import { GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { openSession } from '../../runtime/session.ts'

/** A dense row-major float64 matrix. */
export interface Matrix64 {
  readonly data: Float64Array
  readonly rows: number
  readonly columns: number
}

/** Products of float64 matrices on all cores. */
export interface Products {
  /** A·B, row-major. */
  multiply(a: Matrix64, b: Matrix64): Promise<Float64Array>
  release(): Promise<void>
}

/**
 * ONNX Runtime's matrix product, whose rounding errors (about 1e-16) are far below what decides how a weight is
 * rounded: every machine finds the same.
 */
export async function openProducts(threads: number): Promise<Products> {
  const g = new GraphBuilder('product')
  const a = g.input('a', 'float64', ['rows', 'inner'])
  const b = g.input('b', 'float64', ['inner', 'columns'])
  g.output('product', g.op('MatMul', [a, b]), 'float64', ['rows', 'columns'])
  const session = await openSession(serializeModel(g.build()).graph, {
    threads,
    memoryPattern: false,
  })
  const feed = ({ data, rows, columns }: Matrix64) => ({ data, dims: [rows, columns] })
  return {
    async multiply(left, right) {
      const { product } = await session.run({ a: feed(left), b: feed(right) })
      return product?.data as Float64Array
    },
    release: () => session.release(),
  }
}
