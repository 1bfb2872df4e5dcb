import { frontAxis, type Shape } from './dimensions.ts'
import type { GradientQuery, GradientRule } from './gradient-scope.ts'
import { ELEMENT_TYPES } from './graph.ts'
import { integerAttribute, integersAttribute } from './operator-key.ts'

/** Gradients of operators that move elements and change none. */
export const LAYOUT_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  /** dx = dy in x's shape */
  Reshape: reshapeBack,
  Flatten: reshapeBack,
  Squeeze: reshapeBack,
  Unsqueeze: reshapeBack,
  /** dx = Σ dy over the axes that were stretched */
  Expand(q) {
    const [x, y] = [q.node.inputs[0] as string, q.node.outputs[0] as string]
    q.give(0, q.sumTo(q.gradient() as string, q.shape(y), q.shape(x)))
  },
  /** dx = dy with its axes moved back */
  Transpose(q) {
    const rank = q.shape(q.node.inputs[0] as string).length
    const perm = integersAttribute(q.node, 'perm') ?? axesOf(rank).reverse()
    const inverse = axesOf(rank).map((axis) => perm.indexOf(axis))
    q.give(0, q.g.op('Transpose', [q.gradient() as string], { perm: inverse }))
  },
  /** each part takes its piece of dy */
  Concat(q) {
    const shapes = q.node.inputs.map((name) => q.shape(name))
    const axis = frontAxis(integerAttribute(q.node, 'axis', 0), (shapes[0] as Shape).length)
    const sizes = shapes.map((shape) => shape[axis])
    if (sizes.some((size) => typeof size !== 'number')) throw q.refusal('of parts of free size')
    const inputs = [q.gradient() as string, q.g.int64s(...(sizes as number[]))]
    const pieces = q.g.ops('Split', inputs, sizes.length, { axis })
    pieces.forEach((piece, index) => {
      if (q.wants(index)) q.give(index, piece)
    })
  },
  /** dx = the pieces' gradients side by side, zeros where the loss does not depend on a piece */
  Split(q) {
    const { g } = q
    const axis = integerAttribute(q.node, 'axis', 0)
    const pieces = q.node.outputs.map(
      (name, index) => q.gradient(index) ?? g.op('Expand', [q.scalar(0), g.op('Shape', [name])]),
    )
    q.give(0, g.op('Concat', pieces, { axis }))
  },
  /** dx = dy in its place, zeros around it */
  Slice(q) {
    const [x, starts, , axes] = q.node.inputs as [string, string, string, string | undefined]
    const [from, to] = [q.shape(x), q.shape(q.node.outputs[0] as string)]
    const at = q.content(starts)
    const along = (axes ? q.content(axes) : null) ?? at?.map((_, i) => i)
    const before = from.map(() => 0)
    const after = from.map(() => 0)
    for (const [i, axis] of (along ?? []).entries()) {
      const place = frontAxis(axis as number, from.length)
      const [size, length, start] = [from[place], to[place], at?.[i]]
      if (typeof size !== 'number' || typeof length !== 'number' || typeof start !== 'number') {
        throw q.refusal('by bounds that only a run can tell')
      }
      before[place] = Math.min(start < 0 ? Math.max(start + size, 0) : start, size)
      after[place] = size - length - before[place]
    }
    q.give(0, q.g.op('Pad', [q.gradient() as string, q.g.int64s(...before, ...after)]))
  },
  /** dx = zeros with dy's rows added at the indices */
  Gather(q) {
    const { g } = q
    const [x, indices] = q.node.inputs as [string, string]
    const [shape, places] = [q.shape(x), q.shape(indices)]
    const axis = frontAxis(integerAttribute(q.node, 'axis', 0), shape.length)
    const rank = shape.length + places.length - 1
    // The indexed axes go first, since ScatterND counts from there.
    const first = axesOf(places.length).map((i) => axis + i)
    const forth = [...first, ...axesOf(rank).filter((i) => !first.includes(i))]
    const rows = g.op('Transpose', [q.gradient() as string], { perm: forth })
    const order = [axis, ...axesOf(shape.length).filter((i) => i !== axis)]
    const sizes = g.op('Gather', [g.op('Shape', [x]), g.int64s(...order)])
    const zeros = g.op('Expand', [q.scalar(0), sizes])
    const wide = g.op('Cast', [indices], { to: ELEMENT_TYPES.int64 })
    const at = g.op('Unsqueeze', [wide, g.int64s(-1)])
    const sum = g.op('ScatterND', [zeros, at, rows], { reduction: 'add' })
    const back = axesOf(shape.length).map((i) => order.indexOf(i))
    q.give(0, g.op('Transpose', [sum], { perm: back }))
  },
}

function reshapeBack(q: GradientQuery): void {
  q.give(0, q.reshapeLike(q.gradient() as string, q.node.inputs[0] as string))
}

function axesOf(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis)
}
