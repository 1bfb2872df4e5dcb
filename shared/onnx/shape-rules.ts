import { convolvedSize, readConvolution } from './convolution.ts'
import {
  broadcastShapes,
  divideDimensions,
  frontAxis,
  multiplyDimensions,
  type Shape,
} from './dimensions.ts'
import type { Dimension, Node } from './graph.ts'
import { integerAttribute, integersAttribute } from './operator-key.ts'

/** What a rule may ask of a node's inputs. */
export interface ShapeQuery {
  readonly node: Node
  readonly opset: number
  shape(index: number): Shape | null
  content(index: number): Shape | null
}

/** Shapes of the outputs, and the elements of the first one where it is a known integer vector. */
export interface InferredNode {
  readonly shapes: readonly Shape[]
  readonly content?: Shape
}

type ShapeRule = (query: ShapeQuery) => InferredNode | null

const SAME = [
  ...['Identity', 'Cast', 'Neg', 'Abs', 'Sign', 'Sqrt', 'Exp', 'Log', 'Erf', 'Tanh', 'Sigmoid'],
  ...['Relu', 'Softplus', 'Softmax', 'LogSoftmax', 'Clip', 'Reciprocal', 'Not'],
  ...['com.microsoft.Gelu', 'com.microsoft.FastGelu'],
]
const BROADCAST = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Where'],
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
]
const REDUCTIONS = ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2']

/** Shape rules by operator. */
export const SHAPE_RULES: Readonly<Record<string, ShapeRule>> = {
  ...Object.fromEntries(SAME.map((op) => [op, (q: ShapeQuery) => one(q.shape(0), q.content(0))])),
  ...Object.fromEntries(BROADCAST.map((op) => [op, inferBroadcast])),
  ...Object.fromEntries(REDUCTIONS.map((op) => [op, inferReduction])),
  ReduceSumSquare: inferReduction,
  MatMul: (q) => inferProduct(q, 0, 0),
  'com.microsoft.FusedMatMul': (q) =>
    inferProduct(q, integerAttribute(q.node, 'transA', 0), integerAttribute(q.node, 'transB', 0)),
  Gemm: (q) =>
    inferProduct(q, integerAttribute(q.node, 'transA', 0), integerAttribute(q.node, 'transB', 0)),
  LayerNormalization: inferLayerNorm,
  Reshape: inferReshape,
  Flatten: inferFlatten,
  Transpose: inferTranspose,
  Unsqueeze: inferUnsqueeze,
  Squeeze: inferSqueeze,
  Concat: inferConcat,
  Split: inferSplit,
  Slice: inferSlice,
  Gather: inferGather,
  Expand: (q) => {
    const wanted = q.content(1)
    return one(wanted && broadcastShapes(q.shape(0) as Shape, wanted))
  },
  Shape: inferShape,
  Conv: inferConvolution,
  GlobalAveragePool: (q) => one(q.shape(0)?.map((dim, axis) => (axis < 2 ? dim : 1)) ?? null),
}

function one(shape: Shape | null, content?: Shape | null): InferredNode | null {
  if (!shape) return null
  return content ? { shapes: [shape], content } : { shapes: [shape] }
}

function inferBroadcast({ node, shape }: ShapeQuery): InferredNode | null {
  let result: Shape | null = []
  for (let i = 0; i < node.inputs.length && result; i++) {
    result = broadcastShapes(result, shape(i) as Shape)
  }
  return one(result)
}

function inferReduction(q: ShapeQuery): InferredNode | null {
  const input = q.shape(0) as Shape
  const given = integersAttribute(q.node, 'axes') ?? q.content(1)
  if (!given && q.node.inputs.length > 1) return null
  const axes = (given ?? input.map((_, axis) => axis)).map((a) =>
    frontAxis(a as number, input.length),
  )
  const keep = integerAttribute(q.node, 'keepdims', 1)
  if (keep) return one(input.map((dim, axis) => (axes.includes(axis) ? 1 : dim)))
  return one(input.filter((_, axis) => !axes.includes(axis)))
}

function inferProduct(q: ShapeQuery, transA: number, transB: number): InferredNode | null {
  const [a, b] = [q.shape(0) as Shape, q.shape(1) as Shape]
  if (a.length < 2 || b.length < 2) return null
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2))
  const rows = a.at(transA ? -1 : -2) as Dimension
  const columns = b.at(transB ? -2 : -1) as Dimension
  return batch && one([...batch, rows, columns])
}

function inferLayerNorm(q: ShapeQuery): InferredNode | null {
  const input = q.shape(0) as Shape
  const axis = frontAxis(integerAttribute(q.node, 'axis', -1), input.length)
  const rows = input.map((dim, i) => (i < axis ? dim : 1))
  return { shapes: [input, rows, rows] }
}

function inferFlatten(q: ShapeQuery): InferredNode | null {
  const input = q.shape(0) as Shape
  const axis = integerAttribute(q.node, 'axis', 1)
  const at = frontAxis(axis, input.length)
  return one([multiplyDimensions(input.slice(0, at)), multiplyDimensions(input.slice(at))])
}

function inferReshape(q: ShapeQuery): InferredNode | null {
  const [input, wanted] = [q.shape(0) as Shape, q.content(1)]
  if (!wanted) return null
  const target = wanted.map((dim, axis) => (dim === 0 ? (input[axis] as Dimension) : dim))
  const free = target.indexOf(-1)
  if (free < 0) return one(target)
  const rest = divideDimensions(
    input,
    target.filter((_, axis) => axis !== free),
  )
  return rest === null ? null : one(target.with(free, rest))
}

function inferTranspose(q: ShapeQuery): InferredNode | null {
  const input = q.shape(0) as Shape
  const perm = integersAttribute(q.node, 'perm') ?? input.map((_, axis) => input.length - 1 - axis)
  return one(perm.map((axis) => input[axis] as Dimension))
}

function inferUnsqueeze(q: ShapeQuery): InferredNode | null {
  const [input, axes] = [q.shape(0) as Shape, q.content(1)]
  if (!axes) return null
  const rank = input.length + axes.length
  const places = new Set(axes.map((axis) => frontAxis(axis as number, rank)))
  const rest = [...input]
  return one(
    Array.from({ length: rank }, (_, axis) => (places.has(axis) ? 1 : (rest.shift() as Dimension))),
    q.content(0),
  )
}

function inferSqueeze(q: ShapeQuery): InferredNode | null {
  const [input, axes] = [q.shape(0) as Shape, q.content(1)]
  if (!axes) return null
  const places = new Set(axes.map((axis) => frontAxis(axis as number, input.length)))
  return one(
    input.filter((_, axis) => !places.has(axis)),
    q.content(0),
  )
}

function inferConcat(q: ShapeQuery): InferredNode | null {
  const inputs = q.node.inputs.map((_, i) => q.shape(i) as Shape)
  const contents = q.node.inputs.map((_, i) => q.content(i))
  const axis = frontAxis(integerAttribute(q.node, 'axis', 0), inputs[0]?.length ?? 1)
  const sizes = inputs.map((shape) => shape[axis] as Dimension)
  if (sizes.some((size) => typeof size !== 'number')) return null
  const total = (sizes as number[]).reduce((sum, size) => sum + size, 0)
  const known = contents.every((content) => content !== null)
  return one((inputs[0] as Shape).with(axis, total), known ? (contents.flat() as Shape) : null)
}

function inferSplit(q: ShapeQuery): InferredNode | null {
  const input = q.shape(0) as Shape
  const axis = frontAxis(integerAttribute(q.node, 'axis', 0), input.length)
  const count = q.node.outputs.length
  const equal = divideDimensions([input[axis] as Dimension], [count])
  const sizes = q.content(1) ?? (equal === null ? null : q.node.outputs.map(() => equal))
  return sizes && { shapes: sizes.map((size) => input.with(axis, size)) }
}

/** Bounds that lie beyond an axis are cut; a bound known by name only is taken to lie within. */
function inferSlice(q: ShapeQuery): InferredNode | null {
  const [input, starts, ends] = [q.shape(0) as Shape, q.content(1), q.content(2)]
  if (!starts || !ends || (q.node.inputs[4] && q.content(4)?.some((step) => step !== 1)))
    return null
  const axes = q.content(3) ?? starts.map((_, i) => i)
  const result = [...input]
  for (const [i, axis] of axes.entries()) {
    const at = frontAxis(axis as number, input.length)
    const length = sliceLength(input[at] as Dimension, starts[i], ends[i])
    if (length === null) return null
    result[at] = length
  }
  return one(result)
}

function sliceLength(
  size: Dimension,
  start: Dimension | undefined,
  end: Dimension | undefined,
): Dimension | null {
  if (start === 0 && typeof end === 'string') return end
  if (typeof size !== 'number' || typeof start !== 'number' || typeof end !== 'number') return null
  const bound = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, 0), size)
  return Math.max(0, bound(end) - bound(start))
}

function inferGather(q: ShapeQuery): InferredNode | null {
  const [input, indices] = [q.shape(0) as Shape, q.shape(1) as Shape]
  const axis = frontAxis(integerAttribute(q.node, 'axis', 0), input.length)
  const [content, at] = [q.content(0), q.content(1)]
  const picked = content && at?.map((i) => content.at(i as number) as Dimension)
  return one([...input.slice(0, axis), ...indices, ...input.slice(axis + 1)], picked ?? null)
}

function inferConvolution(q: ShapeQuery): InferredNode | null {
  const [x, w] = [q.shape(0) as Shape, q.shape(1) as Shape]
  const convolution = readConvolution(q.node)
  if (!convolution || x.length !== 4 || w.length !== 4) return null
  const sizes: Dimension[] = []
  for (const axis of [0, 1] as const) {
    const [size, kernel] = [x[axis + 2], w[axis + 2]]
    if (typeof size !== 'number' || typeof kernel !== 'number') return null
    sizes.push(convolvedSize(convolution, axis, size, kernel))
  }
  return one([x[0] as Dimension, w[0] as Dimension, ...sizes])
}

function inferShape(q: ShapeQuery): InferredNode {
  const input = q.shape(0) as Shape
  const { attributes } = q.node
  const content = input.slice(
    typeof attributes.start === 'number' ? attributes.start : 0,
    typeof attributes.end === 'number' ? attributes.end : input.length,
  )
  return { shapes: [[content.length]], content }
}
