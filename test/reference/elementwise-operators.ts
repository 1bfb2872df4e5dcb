import type { Operator } from './interpreter.ts'
import { broadcastDims, expand, type Tensor } from './tensor.ts'

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  Identity: (x) => x,
  Cast: (x) => x,
  Neg: (x) => -x,
  Abs: Math.abs,
  Sign: Math.sign,
  Sqrt: Math.sqrt,
  Exp: Math.exp,
  Log: Math.log,
  Erf: erf,
  Tanh: Math.tanh,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  Relu: (x) => Math.max(x, 0),
  'com.microsoft.Gelu': (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  'com.microsoft.FastGelu': (x) =>
    0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
}

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Max: Math.max,
  Min: Math.min,
  Sum: (a, b) => a + b,
  Equal: (a, b) => Number(a === b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
}

/** Operators that treat each element by itself. */
export const ELEMENTWISE_OPERATORS: Readonly<Record<string, Operator>> = {
  ...Object.fromEntries(
    Object.entries(UNARY).map(([name, apply]): [string, Operator] => [
      name,
      (_, [x]) => [{ dims: (x as Tensor).dims, data: (x as Tensor).data.map(apply) }],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(BINARY).map(([name, apply]): [string, Operator] => [
      name,
      (_, inputs) => [inputs.reduce((a, b) => combine(a, b, apply))],
    ]),
  ),
  Clip(_, [x, low, high]) {
    const bound = (value: number) =>
      Math.min(Math.max(value, low?.data[0] ?? -Infinity), high?.data[0] ?? Infinity)
    return [{ dims: (x as Tensor).dims, data: (x as Tensor).data.map(bound) }]
  },
  Where(_, inputs) {
    const dims = broadcastDims(inputs.map((input) => input.dims))
    const [condition, yes, no] = inputs.map((input) => expand(input, dims).data)
    return [
      { dims, data: (yes as Float64Array).map((x, i) => (condition?.[i] ? x : no?.[i]) ?? 0) },
    ]
  },
}

function combine(a: Tensor, b: Tensor, apply: (a: number, b: number) => number): Tensor {
  const dims = broadcastDims([a.dims, b.dims])
  const [left, right] = [expand(a, dims).data, expand(b, dims).data]
  return { dims, data: left.map((x, i) => apply(x, right[i] as number)) }
}

/** 2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms of one sign: exact to a few last digits. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}
