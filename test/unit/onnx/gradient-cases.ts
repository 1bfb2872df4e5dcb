import { type GraphBuilder, MICROSOFT_DOMAIN } from '../../../shared/onnx/graph.ts'

/** An input of a case: its shape as declared (a name is a free size) and the range of its values. */
export interface CaseInput {
  readonly shape: readonly (number | string)[]
  readonly low?: number
  readonly high?: number
}

/** A graph of one operator. */
export interface GradientCase {
  readonly name: string
  readonly inputs: readonly CaseInput[]
  /** How many of the inputs are differentiated. @default all */
  readonly differentiated?: number
  /** Adds the operator and names its output. */
  readonly build: (g: GraphBuilder, ...inputs: string[]) => string
  /** The operator, as the table of gradients names it. @default the name up to a comma */
  readonly key?: string
}

/** Sizes that the free names stand for in these tests. */
export const FREE_SIZES: Readonly<Record<string, number>> = { batch: 3, tokens: 2 }

const microsoft = { domain: MICROSOFT_DOMAIN }
const matrix: CaseInput = { shape: ['batch', 4] }
const block: CaseInput = { shape: ['batch', 'tokens', 4] }
const positive: CaseInput = { shape: ['batch', 4], low: 0.4, high: 3 }

function unary(op: string, input: CaseInput = matrix, domain = ''): GradientCase {
  const name = domain ? `${domain}.${op}` : op
  return { name, inputs: [input], build: (g, x) => g.op(op, [x as string], {}, { domain }) }
}

function binary(op: string, input: CaseInput = matrix): GradientCase[] {
  const build = (g: GraphBuilder, ...x: string[]) => g.op(op, x)
  const like = (shape: CaseInput['shape']) => ({ ...input, shape })
  return [
    { name: op, inputs: [input, input], build },
    { name: `${op}, row broadcast`, inputs: [input, like([4])], build },
    { name: `${op}, column broadcast`, inputs: [like(['batch', 1]), input], build },
    { name: `${op}, scalar broadcast`, inputs: [like(['batch', 'tokens', 4]), like([])], build },
    { name: `${op}, both broadcast`, inputs: [like(['batch', 1, 4]), like(['tokens', 1])], build },
  ]
}

function reduction(op: string): GradientCase[] {
  const attributes = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceSumSquare']
  const add = (axis: number, keepdims: number) => (g: GraphBuilder, x?: string) =>
    attributes.includes(op)
      ? g.op(op, [x as string], { axes: [axis], keepdims })
      : g.op(op, [x as string, g.int64s(axis)], { keepdims })
  return [
    { name: op, inputs: [block], build: (g, x) => g.op(op, [x as string], { keepdims: 0 }) },
    { name: `${op}, last axis`, inputs: [block], build: add(-1, 1) },
    { name: `${op}, free axis`, inputs: [block], build: add(1, 0) },
  ]
}

function product(name: string, a: CaseInput['shape'], b: CaseInput['shape']): GradientCase {
  return { name, inputs: [{ shape: a }, { shape: b }], build: (g, ...x) => g.op('MatMul', x) }
}

function fused(transA: number, transB: number): GradientCase {
  const attributes = { transA, transB, alpha: { float: 0.25 } }
  const a = transA ? ['batch', 5, 'tokens'] : ['batch', 'tokens', 5]
  const b = transB ? ['batch', 3, 5] : ['batch', 5, 3]
  return {
    name: `com.microsoft.FusedMatMul, ${transA} ${transB}`,
    inputs: [{ shape: a }, { shape: b }],
    build: (g, ...x) => g.op('FusedMatMul', x, attributes, microsoft),
  }
}

function gemm(transA: number, transB: number, c: CaseInput['shape']): GradientCase {
  const attributes = { transA, transB, alpha: { float: 0.75 }, beta: { float: 1.5 } }
  const inputs = [
    { shape: transA ? [5, 'batch'] : ['batch', 5] },
    { shape: transB ? [4, 5] : [5, 4] },
    { shape: c },
  ]
  return {
    name: `Gemm, ${transA} ${transB} [${c}]`,
    inputs,
    build: (g, ...x) => g.op('Gemm', x, attributes),
  }
}

interface Kernel {
  readonly channels: readonly [number, number]
  readonly size: readonly [number, number]
  readonly kernel: readonly [number, number]
  readonly group?: number
  readonly strides?: readonly [number, number]
  readonly dilations?: readonly [number, number]
  readonly pads?: readonly [number, number, number, number]
}

function convolution(name: string, options: Kernel): GradientCase {
  const { channels, size, kernel, group = 1, strides = [1, 1], dilations = [1, 1] } = options
  const attributes = { group, strides, dilations, pads: options.pads ?? [0, 0, 0, 0] }
  const [inputs, outputs] = channels
  return {
    name: `Conv, ${name}`,
    inputs: [
      { shape: ['batch', inputs, ...size] },
      { shape: [outputs, inputs / group, ...kernel] },
      { shape: [outputs] },
    ],
    build: (g, ...x) => g.op('Conv', x, attributes),
  }
}

const CONVOLUTIONS: readonly GradientCase[] = [
  convolution('one pixel', { channels: [3, 4], size: [3, 2], kernel: [1, 1] }),
  convolution('one pixel, every second', {
    channels: [2, 3],
    size: [4, 5],
    kernel: [1, 1],
    strides: [2, 2],
  }),
  convolution('padded', { channels: [2, 3], size: [4, 3], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  convolution('stride, uneven padding', {
    channels: [2, 2],
    size: [6, 6],
    kernel: [3, 3],
    strides: [2, 2],
    pads: [0, 0, 1, 1],
  }),
  convolution('stride that leaves a rest', {
    channels: [1, 2],
    size: [6, 7],
    kernel: [2, 3],
    strides: [3, 2],
  }),
  convolution('dilated', { channels: [2, 2], size: [5, 5], kernel: [2, 2], dilations: [2, 3] }),
  convolution('depthwise', {
    channels: [4, 4],
    size: [4, 4],
    kernel: [3, 3],
    group: 4,
    pads: [1, 1, 1, 1],
  }),
  convolution('depthwise, stride, two outputs a channel', {
    channels: [2, 4],
    size: [5, 5],
    kernel: [3, 3],
    group: 2,
    strides: [2, 2],
    pads: [1, 1, 2, 2],
  }),
  convolution('groups', {
    channels: [4, 6],
    size: [3, 4],
    kernel: [2, 3],
    group: 2,
    pads: [1, 0, 0, 1],
  }),
]

/** At least one case for each operator that has a gradient. */
export const GRADIENT_CASES: readonly GradientCase[] = [
  ...['Identity', 'Cast', 'Neg', 'Abs', 'Exp', 'Erf', 'Tanh', 'Sigmoid', 'Softplus', 'Relu']
    .filter((op) => op !== 'Cast')
    .map((op) => unary(op)),
  { name: 'Cast', inputs: [matrix], build: (g, x) => g.op('Cast', [x as string], { to: 1 }) },
  ...['Sqrt', 'Log'].map((op) => unary(op, positive)),
  ...CONVOLUTIONS,
  unary('GlobalAveragePool', { shape: ['batch', 2, 3, 4] }),
  {
    name: 'Clip',
    inputs: [matrix],
    build: (g, x) => g.op('Clip', [x as string, g.scalar(-1), g.scalar(1)]),
  },
  {
    name: 'Clip, one bound',
    inputs: [matrix],
    build: (g, x) => g.op('Clip', [x as string, '', g.scalar(1)]),
  },
  unary('Gelu', matrix, MICROSOFT_DOMAIN),
  unary('FastGelu', matrix, MICROSOFT_DOMAIN),
  ...['Add', 'Sub', 'Mul', 'Max', 'Min'].flatMap((op) => binary(op)),
  ...['Div', 'Pow'].flatMap((op) => binary(op, positive)),
  {
    name: 'Where',
    inputs: [matrix, { shape: [4] }],
    build: (g, a, b) =>
      g.op('Where', [g.op('Greater', [a as string, g.scalar(0)]), a, b] as string[]),
  },
  ...['ReduceSum', 'ReduceMean', 'ReduceL2', 'ReduceSumSquare', 'ReduceMax', 'ReduceMin'].flatMap(
    reduction,
  ),
  product('MatMul', ['batch', 5], [5, 3]),
  product('MatMul, batches', ['batch', 'tokens', 5], ['batch', 5, 3]),
  product('MatMul, shared right', ['batch', 'tokens', 5], [5, 3]),
  product('MatMul, shared left', [2, 5], ['batch', 5, 3]),
  ...[0, 1].flatMap((transA) => [0, 1].map((transB) => fused(transA, transB))),
  ...[0, 1].flatMap((transA) => [0, 1].map((transB) => gemm(transA, transB, [4]))),
  gemm(0, 1, ['batch', 4]),
  gemm(0, 1, ['batch', 1]),
  gemm(0, 0, []),
  {
    name: 'Gemm, after another use of its input',
    inputs: [matrix, { shape: [4, 4] }],
    build: (g, ...[x, w]) => g.op('Add', [g.op('Gemm', [x, w] as string[]), x as string]),
  },
  {
    name: 'Gemm, with itself',
    inputs: [matrix],
    build: (g, x) => g.op('Gemm', [x, x] as string[], { transB: 1 }),
  },
  ...[-1, 1].flatMap((axis) =>
    ['Softmax', 'LogSoftmax'].map((op) => ({
      name: `${op}, axis ${axis}`,
      inputs: [block],
      build: (g: GraphBuilder, x?: string) => g.op(op, [x as string], { axis }),
    })),
  ),
  ...[1, 3].map((outputs) => ({
    name: `LayerNormalization, ${outputs} outputs`,
    inputs: [block, { shape: [4] }, { shape: [4] }],
    build: (g: GraphBuilder, ...x: string[]) =>
      g.ops('LayerNormalization', x, outputs, { axis: -1, epsilon: { float: 1e-3 } })[0] as string,
  })),
  {
    name: 'Reshape',
    inputs: [block],
    build: (g, x) => g.op('Reshape', [x as string, g.int64s(-1, 4)]),
  },
  {
    name: 'Flatten',
    inputs: [{ shape: ['batch', 4, 1, 1] }],
    build: (g, x) => g.op('Flatten', [x as string], { axis: 1 }),
  },
  {
    name: 'Unsqueeze',
    inputs: [block],
    build: (g, x) => g.op('Unsqueeze', [x as string, g.int64s(1, -1)]),
  },
  {
    name: 'Squeeze',
    inputs: [{ shape: ['batch', 1, 4] }],
    build: (g, x) => g.op('Squeeze', [x as string, g.int64s(1)]),
  },
  {
    name: 'Expand',
    inputs: [{ shape: [1, 4] }, block],
    differentiated: 1,
    build: (g, ...[x, like]) => g.op('Expand', [x as string, g.op('Shape', [like as string])]),
  },
  {
    name: 'Transpose',
    inputs: [block],
    build: (g, x) => g.op('Transpose', [x as string], { perm: [2, 0, 1] }),
  },
  {
    name: 'Transpose, reversed',
    inputs: [block],
    build: (g, x) => g.op('Transpose', [x as string]),
  },
  {
    name: 'Concat',
    inputs: [{ shape: ['batch', 2] }, { shape: ['batch', 3] }],
    build: (g, ...x) => g.op('Concat', x, { axis: -1 }),
  },
  {
    name: 'Split, one part unused',
    inputs: [{ shape: ['batch', 6] }],
    build(g, x) {
      const [first, , last] = g.ops('Split', [x as string], 3, { axis: 1 })
      return g.op('Mul', [first, last] as string[])
    },
  },
  {
    name: 'Slice',
    inputs: [{ shape: ['batch', 5, 4] }],
    build: (g, x) => g.op('Slice', [x as string, g.int64s(1, -3), g.int64s(4, 99), g.int64s(1, 2)]),
  },
  {
    name: 'Gather, rows',
    inputs: [{ shape: [5, 4] }],
    build: (g, x) => g.op('Gather', [x as string, gatherIndices(g, [2, 2])], { axis: 0 }),
  },
  {
    name: 'Gather, middle axis',
    inputs: [{ shape: ['batch', 5, 4] }],
    build: (g, x) => g.op('Gather', [x as string, gatherIndices(g, [4])], { axis: 1 }),
  },
  {
    name: 'Gather, one index',
    inputs: [block],
    build: (g, x) =>
      g.op('Gather', [x as string, g.constant('at', 'int64', [], BigInt64Array.of(0n))], {
        axis: 1,
      }),
  },
]

/** Four indices into five rows, one of them twice and one from the end. */
function gatherIndices(g: GraphBuilder, dims: readonly number[]): string {
  return g.constant('indices', 'int64', dims, BigInt64Array.of(3n, 0n, 3n, -1n))
}
