import { frontAxis } from './dimensions.ts'
import type { GradientQuery, GradientRule } from './gradient-scope.ts'
import { floatAttribute, integerAttribute } from './operator-key.ts'

/** Gradients of operators that normalise along the last axes. */
export const NORMALISING_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  /** dx = t − y Σt, with t = dy y */
  Softmax(q) {
    const { g } = q
    const y = q.node.outputs[0] as string
    const t = g.op('Mul', [q.gradient() as string, y])
    q.give(0, g.op('Sub', [t, g.op('Mul', [y, sumAlong(q, t)])]))
  },
  /** dx = dy − eʸ Σdy */
  LogSoftmax(q) {
    const { g } = q
    const dy = q.gradient() as string
    const shares = g.op('Exp', [q.node.outputs[0] as string])
    q.give(0, g.op('Sub', [dy, g.op('Mul', [shares, sumAlong(q, dy)])]))
  },
  /**
   * y = x̂ γ + β, x̂ = (x − mean) r, r = 1 / deviation:
   * dx = r (t − mean t − x̂ mean(t x̂)) with t = dy γ; dγ = Σ dy x̂, dβ = Σ dy over all rows
   */
  LayerNormalization: giveLayerNorm,
}

function sumAlong(q: GradientQuery, value: string): string {
  const rank = q.shape(q.node.outputs[0] as string).length
  const axis = frontAxis(integerAttribute(q.node, 'axis', -1), rank)
  return q.g.op('ReduceSum', [value, q.g.int64s(axis)], { keepdims: 1 })
}

function giveLayerNorm(q: GradientQuery): void {
  const { g, node } = q
  const [x, gamma, beta] = node.inputs as [string, string, string | undefined]
  const shape = q.shape(x)
  const axis = frontAxis(integerAttribute(node, 'axis', -1), shape.length)
  const width = shape.at(-1)
  if (axis !== shape.length - 1 || typeof width !== 'number') {
    throw q.refusal('over other than one axis of known size')
  }
  if (q.gradient(1) ?? q.gradient(2)) throw q.refusal('through its mean or deviation')
  const dy = q.gradient() as string
  const [mean, inverse] = readMoments(q)
  const centred = g.op('Mul', [g.op('Sub', [x, mean]), inverse])
  const weighted = g.op('Mul', [dy, centred])
  if (q.wants(1)) q.give(1, q.sumTo(weighted, shape, [width]))
  if (beta && q.wants(2)) q.give(2, q.sumTo(dy, shape, [width]))
  if (!q.wants(0)) return
  // Means over a row, weighted by gamma, as products with a column.
  const shares = g.op('Mul', [gamma, q.scalar(1 / width)])
  const column = g.op('Reshape', [shares, g.int64s(width, 1)])
  const level = g.op('MatMul', [dy, column])
  const slope = g.op('MatMul', [weighted, column])
  const tilted = g.op('Sub', [g.op('Mul', [dy, gamma]), g.op('Mul', [centred, slope])])
  q.give(0, g.op('Mul', [g.op('Sub', [tilted, level]), inverse]))
}

/** Mean and 1/deviation of each row: outputs of the node, or of a second one where it has none. */
function readMoments({ g, node }: GradientQuery): [mean: string, inverse: string] {
  const [, mean, inverse] = node.outputs
  if (mean && inverse) return [mean, inverse]
  const axis = integerAttribute(node, 'axis', -1)
  const epsilon = { float: floatAttribute(node, 'epsilon', 1e-5) }
  const again = g.ops('LayerNormalization', node.inputs, 3, { axis, epsilon })
  return [again[1] as string, again[2] as string]
}
