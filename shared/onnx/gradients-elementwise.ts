import type { GradientQuery, GradientRule } from './gradient-scope.ts'
import { ELEMENT_TYPES } from './graph.ts'

/** Factors that give dx = dy · factor(x, y) for an operator of one input. */
const FACTORS: Readonly<Record<string, (q: GradientQuery, x: string, y: string) => string>> = {
  /** y */
  Exp: (_, __, y) => y,
  /** 1 − y² */
  Tanh: ({ g, scalar }, _, y) => g.op('Sub', [scalar(1), g.op('Mul', [y, y])]),
  /** y (1 − y) */
  Sigmoid: ({ g, scalar }, _, y) => g.op('Mul', [y, g.op('Sub', [scalar(1), y])]),
  /** 1 / (1 + e⁻ˣ) */
  Softplus: ({ g }, x) => g.op('Sigmoid', [x]),
  /** 1 where y > 0 */
  Relu: ({ g, scalar }, _, y) => asNumber(g, g.op('Greater', [y, scalar(0)])),
  /** sign x */
  Abs: ({ g }, x) => g.op('Sign', [x]),
  /** (2/√π) e^(−x²) */
  Erf: (q, x) => bell(q, x, 1, 2 / Math.sqrt(Math.PI)),
  /** Φ(x) + x φ(x), with the normal distribution's Φ and φ */
  'com.microsoft.Gelu'(q, x) {
    const { g, scalar } = q
    const erf = g.op('Erf', [g.op('Mul', [x, scalar(Math.SQRT1_2)])])
    const below = g.op('Mul', [g.op('Add', [erf, scalar(1)]), scalar(0.5)])
    const density = bell(q, x, 0.5, 1 / Math.sqrt(2 * Math.PI))
    return g.op('Add', [below, g.op('Mul', [x, density])])
  },
  /** ½ (1 + t) + ½ x (1 − t²) u′, with t = tanh u, u = √(2/π) (x + 0.044715 x³) */
  'com.microsoft.FastGelu'({ g, scalar }, x) {
    const slope = Math.sqrt(2 / Math.PI)
    const square = g.op('Mul', [x, x])
    const bend = g.op('Add', [g.op('Mul', [square, scalar(slope * 0.044715)]), scalar(slope)])
    const t = g.op('Tanh', [g.op('Mul', [x, bend])])
    const inner = g.op('Add', [g.op('Mul', [square, scalar(slope * 3 * 0.044715)]), scalar(slope)])
    const rise = g.op('Mul', [g.op('Sub', [scalar(1), g.op('Mul', [t, t])]), inner])
    const sum = g.op('Add', [g.op('Mul', [x, rise]), g.op('Add', [t, scalar(1)])])
    return g.op('Mul', [sum, scalar(0.5)])
  },
}

/** Gradients of operators that treat each element by itself, broadcasting included. */
export const ELEMENTWISE_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  ...Object.fromEntries(
    Object.entries(FACTORS).map(([op, factor]): [string, GradientRule] => [
      op,
      (q) => {
        const dy = q.gradient() as string
        const [x, y] = [q.node.inputs[0] as string, q.node.outputs[0] as string]
        q.give(0, q.g.op('Mul', [dy, factor(q, x, y)]))
      },
    ]),
  ),
  /** dx = dy */
  Identity: (q) => q.give(0, q.gradient() as string),
  /** dx = dy, between float32 and itself */
  Cast: (q) => q.give(0, q.gradient() as string),
  /** dx = −dy */
  Neg: (q) => q.give(0, q.g.op('Neg', [q.gradient() as string])),
  /** dx = ½ dy / y */
  Sqrt(q) {
    const half = q.g.op('Mul', [q.gradient() as string, q.scalar(0.5)])
    q.give(0, q.g.op('Div', [half, q.node.outputs[0] as string]))
  },
  /** dx = dy / x */
  Log: (q) => q.give(0, q.g.op('Div', [q.gradient() as string, q.node.inputs[0] as string])),
  /** da = dy, db = dy */
  Add(q) {
    giveSummed(q, 0, () => q.gradient() as string)
    giveSummed(q, 1, () => q.gradient() as string)
  },
  /** da = dy, db = −dy */
  Sub(q) {
    giveSummed(q, 0, () => q.gradient() as string)
    giveSummed(q, 1, () => q.g.op('Neg', [q.gradient() as string]))
  },
  /** da = dy b, db = dy a */
  Mul(q) {
    const [a, b] = q.node.inputs as [string, string]
    giveSummed(q, 0, (dy) => q.g.op('Mul', [dy, b]))
    giveSummed(q, 1, (dy) => q.g.op('Mul', [dy, a]))
  },
  /** da = dy / b, db = −dy y / b */
  Div(q) {
    const b = q.node.inputs[1] as string
    const y = q.node.outputs[0] as string
    const share = q.g.op('Div', [q.gradient() as string, b])
    giveSummed(q, 0, () => share)
    giveSummed(q, 1, () => q.g.op('Neg', [q.g.op('Mul', [share, y])]))
  },
  /** da = dy b a^(b − 1), db = dy y log a */
  Pow(q) {
    const { g, scalar } = q
    const [a, b] = q.node.inputs as [string, string]
    const y = q.node.outputs[0] as string
    giveSummed(q, 0, (dy) => {
      const power = g.op('Pow', [a, g.op('Sub', [b, scalar(1)])])
      return g.op('Mul', [g.op('Mul', [dy, b]), power])
    })
    giveSummed(q, 1, (dy) => g.op('Mul', [g.op('Mul', [dy, y]), g.op('Log', [a])]))
  },
  /** dx = dy where x stays as it is, bounds included; the bounds are constants */
  Clip(q) {
    const [x, y] = [q.node.inputs[0] as string, q.node.outputs[0] as string]
    if (q.wants(1) || q.wants(2)) throw q.refusal('by bounds that are trained')
    q.give(0, q.g.op('Where', [q.g.op('Equal', [x, y]), q.gradient() as string, q.scalar(0)]))
  },
  /** dy goes to the larger input, the first of two equal ones */
  Max: (q) => choose(q, 'GreaterOrEqual'),
  /** dy goes to the smaller input, the first of two equal ones */
  Min: (q) => choose(q, 'LessOrEqual'),
  /** da = dy where the condition holds, db elsewhere */
  Where(q) {
    const [condition] = q.node.inputs as [string]
    giveSummed(q, 1, (dy) => q.g.op('Where', [condition, dy, q.scalar(0)]))
    giveSummed(q, 2, (dy) => q.g.op('Where', [condition, q.scalar(0), dy]))
  },
}

/** height · e^(−rate · x²), by one exponential of a sum. */
function bell({ g, scalar }: GradientQuery, x: string, rate: number, height: number): string {
  const square = g.op('Mul', [x, x])
  const scaled = rate === 1 ? square : g.op('Mul', [square, scalar(rate)])
  return g.op('Exp', [g.op('Sub', [scalar(Math.log(height)), scaled])])
}

function asNumber(g: GradientQuery['g'], condition: string): string {
  return g.op('Cast', [condition], { to: ELEMENT_TYPES.float32 })
}

/** Gives an input its gradient, summed over the axes that broadcasting stretched. */
function giveSummed(q: GradientQuery, index: number, make: (dy: string) => string): void {
  if (!q.wants(index)) return
  const from = q.shape(q.node.outputs[0] as string)
  const to = q.shape(q.node.inputs[index] as string)
  q.give(index, q.sumTo(make(q.gradient() as string), from, to))
}

function choose(q: GradientQuery, comparison: string): void {
  const { g, scalar } = q
  const [a, b, ...rest] = q.node.inputs as [string, string, ...string[]]
  if (b === undefined || rest.length > 0) throw q.refusal('with other than two inputs')
  const first = g.op(comparison, [a, b])
  giveSummed(q, 0, (dy) => g.op('Where', [first, dy, scalar(0)]))
  giveSummed(q, 1, (dy) => g.op('Where', [first, scalar(0), dy]))
}
