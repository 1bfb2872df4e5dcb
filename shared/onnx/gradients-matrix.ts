import type { Shape } from './dimensions.ts'
import type { GradientQuery, GradientRule } from './gradient-scope.ts'
import { floatAttribute, integerAttribute } from './operator-key.ts'

interface Factors {
  readonly alpha: number
  readonly transA: number
  readonly transB: number
}

/** Gradients of matrix products. op() transposes its matrix where the node says so. */
export const MATRIX_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  /** y = a b: da = dy bᵀ, db = aᵀ dy, summed over axes that broadcasting stretched */
  MatMul: (q) => giveProducts(q, { alpha: 1, transA: 0, transB: 0 }),
  /** y = α op(a) op(b): as MatMul, times α */
  'com.microsoft.FusedMatMul'(q) {
    for (const flag of ['transBatchA', 'transBatchB']) {
      if (integerAttribute(q.node, flag, 0)) throw q.refusal(`with ${flag}`)
    }
    giveProducts(q, readFactors(q))
  },
  /** y = α op(a) op(b) + β c: da, db as MatMul, times α, added to what is there already; dc = β Σ dy */
  Gemm(q) {
    const { g, node } = q
    const dy = q.gradient() as string
    const [a, b] = node.inputs as [string, string]
    const { alpha, transA, transB } = readFactors(q)
    if (q.wants(0)) {
      giveGemm(q, 0, alpha, transA ? [b, dy, transB, 1] : [dy, b, 0, 1 - transB])
    }
    if (q.wants(1)) {
      giveGemm(q, 1, alpha, transB ? [dy, a, 1, transA] : [a, dy, 1 - transA, 0])
    }
    const c = node.inputs[2]
    if (!c || !q.wants(2)) return
    const beta = floatAttribute(node, 'beta', 1)
    const sum = q.sumTo(dy, q.shape(node.outputs[0] as string), q.shape(c))
    q.give(2, beta === 1 ? sum : g.op('Mul', [sum, q.scalar(beta)]))
  },
}

function readFactors({ node }: GradientQuery): Factors {
  return {
    alpha: floatAttribute(node, 'alpha', 1),
    transA: integerAttribute(node, 'transA', 0),
    transB: integerAttribute(node, 'transB', 0),
  }
}

/** The residual's share of a gradient is there before the product: Gemm adds to it in passing. */
function giveGemm(
  q: GradientQuery,
  index: number,
  alpha: number,
  [left, right, transA, transB]: readonly [string, string, number, number],
): void {
  const pending = q.takePending(index)
  const inputs = pending === null ? [left, right] : [left, right, pending]
  q.give(index, q.g.op('Gemm', inputs, { alpha: { float: alpha }, transA, transB }))
}

function giveProducts(q: GradientQuery, { alpha, transA, transB }: Factors): void {
  const [a, b] = q.node.inputs as [string, string]
  const dy = q.gradient() as string
  const [left, right, out] = [a, b, q.node.outputs[0] as string].map(q.shape) as [
    Shape,
    Shape,
    Shape,
  ]
  if (left.length < 2 || right.length < 2) throw q.refusal('on vectors')
  const batch = out.slice(0, -2)
  if (q.wants(0)) {
    const da = transA
      ? q.product(b, dy, { transA: transB, transB: 1, alpha })
      : q.product(dy, b, { transB: 1 - transB, alpha })
    q.give(0, q.sumTo(da, [...batch, ...left.slice(-2)], left))
  }
  if (q.wants(1)) {
    const db = transB
      ? q.product(dy, a, { transA: 1, transB: transA, alpha })
      : q.product(a, dy, { transA: 1 - transA, alpha })
    q.give(1, q.sumTo(db, [...batch, ...right.slice(-2)], right))
  }
}
