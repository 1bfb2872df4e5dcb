import type {
  LossResult,
  LossRows,
  Matrix,
  MatrixKernels,
  NearestRows,
} from '../../lib/maths/matrix-kernels.ts'
import { selectLargest } from '../../lib/maths/select-largest.ts'
import { type Graph, GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { openSession, type Session } from '../session.ts'

/** Queries per run of a search: bounds the similarity block to this many times the number of keys. */
const NEAREST_BLOCK = 256

/** Kernels that hold sessions; close them when done. */
export interface OwnedMatrixKernels extends MatrixKernels {
  close(): Promise<void>
}

/**
 * Matrix kernels on ONNX Runtime in the calling thread, which is blocked while one runs:
 * for jobs and command lines, never for the serving thread.
 */
export async function openMatrixKernels(options: {
  readonly threads: number
}): Promise<OwnedMatrixKernels> {
  const sessions = new Map<string, Promise<Session>>()
  const session = (name: string, graph: () => Graph): Promise<Session> => {
    const found = sessions.get(name)
    if (found) return found
    const opened = openSession(serializeModel(graph()).graph, { threads: options.threads })
    sessions.set(name, opened)
    return opened
  }
  const multiply = async (
    a: Matrix,
    b: Matrix,
    { transposeA = false, transposeB = false } = {},
  ): Promise<Matrix> => {
    const name = `multiply-${transposeA}-${transposeB}`
    const run = await session(name, () => multiplyGraph(transposeA, transposeB))
    const outputs = await run.run({ a: tensorOf(a), b: tensorOf(b) })
    const { data, dims } = outputs.c!
    return { data: data as Float32Array, rows: dims[0]!, columns: dims[1]! }
  }
  return {
    multiply,
    async loss(rows, weights, bias) {
      const run = await session(rows.activation, () => lossGraph(rows.activation))
      return await runLoss(run, rows, weights, bias)
    },
    async nearest(queries, keys, limit) {
      return await searchBlocks(multiply, queries, keys, limit)
    },
    async close() {
      for (const opened of sessions.values()) await (await opened).release()
      sessions.clear()
    },
  }
}

function tensorOf({ data, rows, columns }: Matrix) {
  return { data, dims: [rows, columns] }
}

function multiplyGraph(transposeA: boolean, transposeB: boolean): Graph {
  const g = new GraphBuilder('multiply')
  const a = g.input('a', 'float32', ['ar', 'ac'])
  const b = g.input('b', 'float32', ['br', 'bc'])
  const c = g.op('Gemm', [a, b], { transA: Number(transposeA), transB: Number(transposeB) })
  g.output('c', c, 'float32', ['m', 'n'])
  return g.build()
}

function lossGraph(activation: 'softmax' | 'sigmoid'): Graph {
  const g = new GraphBuilder('loss')
  const x = g.input('x', 'float32', ['rows', 'dimension'])
  const w = g.input('w', 'float32', ['classes', 'dimension'])
  const b = g.input('b', 'float32', ['classes'])
  const y = g.input('y', 'float32', ['rows', 'classes'])
  const r = g.input('r', 'float32', ['rows', 1])
  const z = g.op('Gemm', [x, w, b], { transB: 1 })
  let p: string
  let terms: string
  if (activation === 'softmax') {
    const logP = g.op('LogSoftmax', [z], { axis: 1 })
    p = g.op('Exp', [logP])
    terms = g.op('Neg', [g.op('Mul', [y, logP])])
  } else {
    p = g.op('Sigmoid', [z])
    // softplus(z) - y z, with softplus(z) = max(z, 0) + log(1 + exp(-|z|)) against overflow
    const one = g.constant('one', 'float32', [], Float32Array.of(1))
    const tail = g.op('Log', [g.op('Add', [one, g.op('Exp', [g.op('Neg', [g.op('Abs', [z])])])])])
    const softplus = g.op('Add', [g.op('Relu', [z]), tail])
    terms = g.op('Sub', [softplus, g.op('Mul', [y, z])])
  }
  const perRow = g.op('ReduceSum', [terms, g.int64s(1)], { keepdims: 1 })
  const residual = g.op('Mul', [g.op('Sub', [p, y]), r])
  const gradient = g.op('Gemm', [residual, x], { transA: 1 })
  const weighted = g.op('Mul', [p, r])
  const spread = g.op('Sub', [weighted, g.op('Mul', [weighted, p])])
  g.output('loss', g.op('Mul', [perRow, r]), 'float32', ['rows', 1])
  g.output('gradient', gradient, 'float32', ['classes', 'dimension'])
  const sums = { keepdims: 0 }
  g.output('bias', g.op('ReduceSum', [residual, g.int64s(0)], sums), 'float32', ['classes'])
  g.output('curvature', g.op('ReduceSum', [spread, g.int64s(0)], sums), 'float32', ['classes'])
  return g.build()
}

async function runLoss(
  session: Session,
  { features, targets, rowWeights }: LossRows,
  weights: Float64Array,
  bias: Float64Array,
): Promise<LossResult> {
  const outputs = await session.run({
    x: tensorOf(features),
    w: { data: new Float32Array(weights), dims: [targets.columns, features.columns] },
    b: { data: new Float32Array(bias), dims: [targets.columns] },
    y: tensorOf(targets),
    r: { data: rowWeights, dims: [features.rows, 1] },
  })
  // Summed in float64: the line search compares losses that differ in the last float32 bits.
  let loss = 0
  for (const term of outputs.loss!.data as Float32Array) loss += term
  return {
    loss,
    gradient: new Float64Array(outputs.gradient!.data as Float32Array),
    biasGradient: new Float64Array(outputs.bias!.data as Float32Array),
    curvature: new Float64Array(outputs.curvature!.data as Float32Array),
  }
}

async function searchBlocks(
  multiply: MatrixKernels['multiply'],
  queries: Matrix,
  keys: Matrix,
  limit: number,
): Promise<NearestRows> {
  const k = Math.min(limit, keys.rows)
  const width = queries.columns
  const similarities = new Float32Array(queries.rows * k)
  const indices = new Int32Array(queries.rows * k)
  for (let start = 0; start < queries.rows; start += NEAREST_BLOCK) {
    const rows = Math.min(NEAREST_BLOCK, queries.rows - start)
    const data = queries.data.subarray(start * width, (start + rows) * width)
    const block = await multiply({ data, rows, columns: width }, keys, { transposeB: true })
    for (let i = 0; i < rows; i++) {
      const from = (start + i) * k
      selectLargest(
        block.data.subarray(i * keys.rows, (i + 1) * keys.rows),
        similarities.subarray(from, from + k),
        indices.subarray(from, from + k),
      )
    }
  }
  return { similarities, indices, k }
}
