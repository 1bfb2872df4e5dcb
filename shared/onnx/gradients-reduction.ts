import { frontAxis, multiplyDimensions, type Shape } from './dimensions.ts'
import type { GradientQuery, GradientRule } from './gradient-scope.ts'
import { ELEMENT_TYPES } from './graph.ts'
import { integerAttribute, integersAttribute } from './operator-key.ts'

/** Below this a norm is taken for this, so that a vector of zeros has the gradient zero. */
const MIN_NORM = 1e-30

/** Gradients of reductions; what a reduction made small is stretched to the input's shape again. */
export const REDUCTION_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  /** dx = dy */
  ReduceSum: (q) => q.give(0, q.expandLike(keptAxes(q, q.gradient() as string), input(q))),
  /** dx = dy / n */
  ReduceMean(q) {
    const { g } = q
    const all = q.shape(input(q))
    const count = multiplyDimensions(reducedAxes(q, all).map((axis) => all[axis] ?? 1))
    const dy = keptAxes(q, q.gradient() as string)
    const share =
      typeof count === 'number'
        ? g.op('Mul', [dy, q.scalar(1 / count)])
        : g.op('Div', [dy, addCount(q)])
    q.give(0, q.expandLike(share, input(q)))
  },
  /** dx = dy x / y */
  ReduceL2(q) {
    const { g } = q
    const norm = g.op('Max', [keptAxes(q, q.node.outputs[0] as string), q.scalar(MIN_NORM)])
    const share = g.op('Div', [keptAxes(q, q.gradient() as string), norm])
    q.give(0, g.op('Mul', [input(q), share]))
  },
  /** dx = 2 dy x */
  ReduceSumSquare(q) {
    const { g } = q
    const twice = g.op('Mul', [keptAxes(q, q.gradient() as string), q.scalar(2)])
    q.give(0, g.op('Mul', [input(q), twice]))
  },
  /** dy shared evenly by the elements that are largest */
  ReduceMax: shareAmongEqual,
  /** dy shared evenly by the elements that are smallest */
  ReduceMin: shareAmongEqual,
}

function shareAmongEqual(q: GradientQuery): void {
  const { g } = q
  const x = input(q)
  const y = keptAxes(q, q.node.outputs[0] as string)
  const hits = g.op('Cast', [g.op('Equal', [x, y])], { to: ELEMENT_TYPES.float32 })
  const axes = g.int64s(...reducedAxes(q, q.shape(x)))
  const count = g.op('ReduceSum', [hits, axes], { keepdims: 1 })
  const share = g.op('Div', [keptAxes(q, q.gradient() as string), count])
  q.give(0, g.op('Mul', [hits, share]))
}

function input(q: GradientQuery): string {
  return q.node.inputs[0] as string
}

function reducedAxes(q: GradientQuery, shape: Shape): number[] {
  const given = integersAttribute(q.node, 'axes') ?? q.content(q.node.inputs[1] ?? '')
  const axes = given ?? shape.map((_, axis) => axis)
  return axes.map((axis) => frontAxis(axis as number, shape.length))
}

/** A reduced value with its axes of size 1 in place; a scalar fits everywhere as it is. */
function keptAxes(q: GradientQuery, value: string): string {
  const shape = q.shape(input(q))
  const axes = reducedAxes(q, shape)
  if (integerAttribute(q.node, 'keepdims', 1) || axes.length === shape.length) return value
  return q.g.op('Unsqueeze', [value, q.g.int64s(...axes)])
}

/** How many elements went into each one of the output, as float32. */
function addCount(q: GradientQuery): string {
  const { g } = q
  const size = (value: string) =>
    g.op('Cast', [g.op('Size', [value])], { to: ELEMENT_TYPES.float32 })
  return g.op('Div', [size(input(q)), size(q.node.outputs[0] as string)])
}
