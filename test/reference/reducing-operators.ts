import type { Node } from '../../shared/onnx/graph.ts'
import {
  floatAttribute,
  integerAttribute,
  integersAttribute,
} from '../../shared/onnx/operator-key.ts'
import type { Operator } from './interpreter.ts'
import { frontAxis, type Tensor, transpose } from './tensor.ts'

const REDUCTIONS: Readonly<Record<string, (values: Float64Array) => number>> = {
  ReduceSum: sum,
  ReduceMean: (values) => sum(values) / values.length,
  ReduceMax: (values) => Math.max(...values),
  ReduceMin: (values) => Math.min(...values),
  ReduceL2: (values) => Math.sqrt(sum(values.map((x) => x * x))),
  ReduceSumSquare: (values) => sum(values.map((x) => x * x)),
}

/** Operators that bring the elements along axes together. */
export const REDUCING_OPERATORS: Readonly<Record<string, Operator>> = {
  ...Object.fromEntries(
    Object.entries(REDUCTIONS).map(([name, apply]): [string, Operator] => [
      name,
      (node, [x, axes]) => [reduce(node, x as Tensor, axes, apply)],
    ]),
  ),
  Softmax: (node, [x]) => [alongAxis(node, x as Tensor, shares)],
  LogSoftmax: (node, [x]) => [
    alongAxis(node, x as Tensor, (row) => shares(row).map((share) => Math.log(share))),
  ],
  LayerNormalization: normalise,
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}

function shares(row: Float64Array): Float64Array {
  const largest = Math.max(...row)
  const powers = row.map((x) => Math.exp(x - largest))
  const total = sum(powers)
  return powers.map((power) => power / total)
}

function reduce(
  node: Node,
  x: Tensor,
  axesInput: Tensor | undefined,
  apply: (values: Float64Array) => number,
): Tensor {
  const rank = x.dims.length
  const given = integersAttribute(node, 'axes') ?? (axesInput && Array.from(axesInput.data))
  const axes = (given ?? x.dims.map((_, axis) => axis)).map((axis) => frontAxis(axis, rank))
  const kept = x.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
  const last = transpose(x, [...kept, ...axes])
  const width = axes.reduce((product, axis) => product * (x.dims[axis] as number), 1)
  const data = new Float64Array(last.data.length / width)
  for (let i = 0; i < data.length; i++)
    data[i] = apply(last.data.subarray(i * width, (i + 1) * width))
  const keep = integerAttribute(node, 'keepdims', 1)
  const dims = keep
    ? x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : kept.map((axis) => x.dims[axis] as number)
  return { dims, data }
}

function alongAxis(node: Node, x: Tensor, apply: (row: Float64Array) => Float64Array): Tensor {
  const rank = x.dims.length
  const axis = frontAxis(integerAttribute(node, 'axis', -1), rank)
  const perm = x.dims.map((_, i) => i).filter((i) => i !== axis)
  perm.push(axis)
  const last = transpose(x, perm)
  const width = x.dims[axis] as number
  const data = last.data.slice()
  for (let at = 0; at < data.length; at += width)
    data.set(apply(last.data.subarray(at, at + width)), at)
  const back = perm.map((_, i) => perm.indexOf(i))
  return transpose({ dims: last.dims, data }, back)
}

function normalise(node: Node, [x, gamma, beta]: readonly Tensor[]): Tensor[] {
  const { dims, data } = x as Tensor
  const width = dims.at(-1) as number
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  const rows = data.length / width
  const [means, inverses] = [new Float64Array(rows), new Float64Array(rows)]
  const result = data.map((value, i) => {
    const row = Math.floor(i / width)
    if (i % width === 0) {
      const values = data.subarray(i, i + width)
      const mean = sum(values) / width
      means[row] = mean
      inverses[row] = 1 / Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / width + epsilon)
    }
    const centred = (value - (means[row] as number)) * (inverses[row] as number)
    const shift = beta ? (beta.data[i % width] as number) : 0
    return centred * ((gamma as Tensor).data[i % width] as number) + shift
  })
  const rowDims = dims.with(-1, 1)
  return [
    { dims, data: result },
    { dims: rowDims, data: means },
    { dims: rowDims, data: inverses },
  ]
}
