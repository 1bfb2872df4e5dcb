import { EspalierError } from '../lib/errors.ts'
import { broadcastShapes, type Shape } from './dimensions.ts'
import { type GraphBuilder, MICROSOFT_DOMAIN, type Node } from './graph.ts'

/** Tools that gradient rules share, bound to one graph. */
export interface GradientScope {
  readonly g: GraphBuilder
  /** Shape of a forward value. @throws EspalierError `unsupported_model` where only a run can tell */
  shape(value: string): Shape
  /** Elements of an integer vector; null where only a run can tell. */
  content(value: string): Shape | null
  /** A shared scalar constant. */
  scalar(value: number): string
  /** A value of shape `from` summed to shape `to`, which broadcasting had stretched to it. */
  sumTo(value: string, from: Shape, to: Shape): string
  /** A value, given the shape of a forward value with as many elements. */
  reshapeLike(value: string, forward: string): string
  /** A value, stretched to the shape of a forward value. */
  expandLike(value: string, forward: string): string
  /** Matrix product over the last two axes, with ONNX Runtime's operator for transposed factors. */
  product(
    a: string,
    b: string,
    options?: { readonly transA?: number; readonly transB?: number; readonly alpha?: number },
  ): string
}

/** One node of the forward pass, and where its gradients come from and go to. */
export interface GradientQuery extends GradientScope {
  readonly node: Node
  /** Gradient of an output; null where the loss does not depend on it. @default output 0 */
  gradient(index?: number): string | null
  /** Whether an input's gradient is asked for. */
  wants(index: number): boolean
  /** Adds to the gradient of an input; of that input's shape. */
  give(index: number, gradient: string): void
  /** What other consumers gave to an input so far, taken away: add to it and give the sum. */
  takePending(index: number): string | null
  /** The error to throw where the node is used in a way that has no gradient here. */
  refusal(how: string): EspalierError
}

/** Adds the nodes of one operator's gradient. */
export type GradientRule = (query: GradientQuery) => void

/** Binds the tools to a graph whose forward shapes are known. */
export function createGradientScope(
  g: GraphBuilder,
  shapes: ReadonlyMap<string, Shape>,
  contents: ReadonlyMap<string, Shape>,
): GradientScope {
  const shapeOf = (value: string): Shape => {
    const shape = shapes.get(value)
    if (shape) return shape
    throw new EspalierError('unsupported_model', `the shape of ${value} is not known before a run`)
  }
  const ones = new Map<string, string>()
  /** A row of as many ones as the [rows, columns] matrix has rows. */
  const onesFor = (matrix: string, rows: string): string => {
    const found = ones.get(rows)
    if (found) return found
    const count = g.op('Shape', [matrix], { start: 0, end: 1 })
    const dims = g.op('Concat', [g.int64s(1), count], { axis: 0 })
    const made = g.op('Expand', [g.scalar(1), dims])
    ones.set(rows, made)
    return made
  }
  return {
    g,
    shape: shapeOf,
    content: (value) => contents.get(value) ?? null,
    scalar: (value) => g.scalar(value),
    sumTo(value, from, to) {
      if (from.join() === to.join()) return value
      if (isColumnSum(from, to)) {
        const width = to.at(-1) as number
        const matrix = from.length === 2 ? value : g.op('Reshape', [value, g.int64s(-1, width)])
        // One row times a matrix runs on all threads; ReduceSum over the first axis gains nothing by them.
        const sum = g.op('Gemm', [onesFor(matrix, from.slice(0, -1).join('*')), matrix])
        return g.op('Reshape', [sum, g.int64s(...(to as number[]))])
      }
      return reduceTo(g, value, from, to)
    },
    reshapeLike: (value, forward) =>
      g.op('Reshape', [value, targetShape(g, shapeOf(forward), forward)]),
    expandLike: (value, forward) => g.op('Expand', [value, g.op('Shape', [forward])]),
    product(a, b, { transA = 0, transB = 0, alpha = 1 } = {}) {
      if (!transA && !transB && alpha === 1) return g.op('MatMul', [a, b])
      const attributes = { transA, transB, alpha: { float: alpha } }
      return g.op('FusedMatMul', [a, b], attributes, { domain: MICROSOFT_DOMAIN })
    },
  }
}

/** True where rows are summed into one, and nothing else happens. */
function isColumnSum(from: Shape, to: Shape): boolean {
  const width = to.at(-1)
  const single = to.slice(0, -1).every((dim) => dim === 1)
  return (
    from.length >= 2 && single && typeof width === 'number' && width > 1 && from.at(-1) === width
  )
}

function reduceTo(g: GraphBuilder, value: string, from: Shape, to: Shape): string {
  if (broadcastShapes(from, to)?.join() !== from.join()) {
    throw new EspalierError('internal', `[${from.join()}] does not sum to [${to.join()}]`)
  }
  const extra = from.length - to.length
  const leading = Array.from({ length: extra }, (_, axis) => axis)
  const stretched = to.flatMap((dim, i) => (dim === 1 && from[i + extra] !== 1 ? [i + extra] : []))
  let sum = value
  if (stretched.length > 0) {
    sum = g.op('ReduceSum', [sum, g.int64s(...stretched)], { keepdims: 1 })
  }
  return leading.length > 0 ? g.op('ReduceSum', [sum, g.int64s(...leading)], { keepdims: 0 }) : sum
}

/** A constant where at most one size is free, else read off the value in the run. */
function targetShape(g: GraphBuilder, shape: Shape, value: string): string {
  const free = shape.filter((dim) => typeof dim === 'string').length
  if (free > 1 || shape.includes(0)) return g.op('Shape', [value])
  return g.int64s(...shape.map((dim) => (typeof dim === 'string' ? -1 : dim)))
}
