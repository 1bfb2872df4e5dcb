import { floatAttribute, integerAttribute } from '../../shared/onnx/operator-key.ts'
import type { Operator } from './interpreter.ts'
import { broadcastDims, expand, sizeOf, type Tensor, transpose } from './tensor.ts'

/** Matrix products. */
export const MATRIX_OPERATORS: Readonly<Record<string, Operator>> = {
  MatMul: (_, [a, b]) => [multiply(a as Tensor, b as Tensor, 1)],
  'com.microsoft.FusedMatMul': (node, [a, b]) => [
    multiply(
      integerAttribute(node, 'transA', 0) ? swapLast(a as Tensor) : (a as Tensor),
      integerAttribute(node, 'transB', 0) ? swapLast(b as Tensor) : (b as Tensor),
      floatAttribute(node, 'alpha', 1),
    ),
  ],
  Gemm(node, [a, b, c]) {
    const product = multiply(
      integerAttribute(node, 'transA', 0) ? swapLast(a as Tensor) : (a as Tensor),
      integerAttribute(node, 'transB', 0) ? swapLast(b as Tensor) : (b as Tensor),
      floatAttribute(node, 'alpha', 1),
    )
    if (!c) return [product]
    const added = expand(c, product.dims).data
    const beta = floatAttribute(node, 'beta', 1)
    return [
      { dims: product.dims, data: product.data.map((x, i) => x + beta * (added[i] as number)) },
    ]
  },
}

function swapLast(x: Tensor): Tensor {
  const axes = x.dims.map((_, axis) => axis)
  return transpose(x, [...axes.slice(0, -2), ...axes.slice(-2).reverse()])
}

function multiply(a: Tensor, b: Tensor, alpha: number): Tensor {
  const [rows, inner] = a.dims.slice(-2) as [number, number]
  const columns = b.dims.at(-1) as number
  if (inner !== b.dims.at(-2)) throw new Error(`[${a.dims}] times [${b.dims}]`)
  const batch = broadcastDims([a.dims.slice(0, -2), b.dims.slice(0, -2)])
  const left = expand(a, [...batch, rows, inner]).data
  const right = expand(b, [...batch, inner, columns]).data
  const data = new Float64Array(sizeOf(batch) * rows * columns)
  for (let m = 0; m < sizeOf(batch); m++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        let sum = 0
        for (let k = 0; k < inner; k++) {
          const x = left[(m * rows + r) * inner + k] as number
          sum += x * (right[(m * inner + k) * columns + c] as number)
        }
        data[(m * rows + r) * columns + c] = alpha * sum
      }
    }
  }
  return { dims: [...batch, rows, columns], data }
}
