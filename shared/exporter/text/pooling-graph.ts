import { type GraphBuilder, MICROSOFT_DOMAIN } from '../../onnx/graph.ts'
import type { Pooling } from '../source/source-config.ts'
import type { EncoderWeights } from '../source/weights.ts'

/** What pooling starts from. */
export interface PoolingInput {
  /** Hidden states [batch, tokens, hidden], float32. */
  readonly states: string
  /** 1 for tokens and 0 for padding, [batch, tokens], float32. */
  readonly mask: string
  readonly pooling: Pooling
  readonly hidden: number
  readonly dense: EncoderWeights['dense']
}

/** Below this norm a vector is left as it is; the guard of torch.nn.functional.normalize. */
const MIN_NORM = 1e-12
/** The guard of sentence-transformers' mean pooling. */
const MIN_COUNT = 1e-9

/** Adds pooling, an optional dense layer and L2 normalisation; declares `pooled` and `embedding`. */
export function addPooling(g: GraphBuilder, input: PoolingInput): void {
  const { pooled, embedding } = poolStates(g, input)
  const dimension = input.dense?.outputs ?? input.hidden
  g.output('pooled', pooled, 'float32', ['batch', dimension])
  g.output('embedding', embedding, 'float32', ['batch', dimension])
}

/** Pooled vectors [batch, dimension], as they are and at length one. */
export function poolStates(
  g: GraphBuilder,
  input: PoolingInput,
): { readonly pooled: string; readonly embedding: string } {
  const pooled = addDense(g, addPooled(g, input), input.dense)
  const norm = g.reduce('ReduceL2', pooled, 1, 1)
  const guard = g.constant('min_norm', 'float32', [], Float32Array.of(MIN_NORM))
  const divided = g.op('Max', [norm, guard])
  return { pooled, embedding: g.op('Div', [pooled, divided], {}, { outputs: ['embedding'] }) }
}

function addPooled(g: GraphBuilder, { states, mask, pooling }: PoolingInput): string {
  if (pooling === 'cls') {
    return takeFirst(g, states)
  }
  const weights = g.op('Unsqueeze', [mask, g.int64s(2)])
  if (pooling === 'max') {
    const one = g.constant('pool_one', 'float32', [], Float32Array.of(1))
    const lowest = g.constant('pool_lowest', 'float32', [], Float32Array.of(1e9))
    const penalty = g.op('Mul', [g.op('Sub', [weights, one]), lowest])
    // Padding becomes its value times 0 minus 1e9, so that tokens keep their exact bits.
    const masked = g.op('Add', [g.op('Mul', [states, weights]), penalty])
    return g.reduce('ReduceMax', masked, 1, 0)
  }
  // Two equal rows, one result: ONNX Runtime's kernel for a single row groups its terms by the length, so
  // that padding would change the last bit; the one for more rows adds them in order. ReduceSum is no better.
  const rows = g.op('Expand', [g.op('Unsqueeze', [mask, g.int64s(1)]), g.int64s(1, 2, 1)])
  const sums = g.op('MatMul', [rows, states])
  const sum = takeFirst(g, sums)
  const count = g.op('ReduceSum', [mask, g.int64s(1)], { keepdims: 1 })
  const guard = g.constant('min_count', 'float32', [], Float32Array.of(MIN_COUNT))
  return g.op('Div', [sum, g.op('Max', [count, guard])])
}

/** [batch, rows, width] → the first row of each, [batch, width]. */
function takeFirst(g: GraphBuilder, rows: string): string {
  const first = g.constant('first_row', 'int64', [], BigInt64Array.of(0n))
  return g.op('Gather', [rows, first], { axis: 1 })
}

function addDense(g: GraphBuilder, pooled: string, dense: EncoderWeights['dense']): string {
  if (!dense) return pooled
  const weight = g.constant('dense.weight', 'float32', [dense.outputs, dense.inputs], dense.weight)
  const bias = g.constant('dense.bias', 'float32', [dense.outputs], dense.bias)
  const value = g.op('Gemm', [pooled, weight, bias], { transB: 1 })
  if (dense.activation === 'Identity') return value
  if (dense.activation === 'ReLU') return g.op('Relu', [value])
  if (dense.activation === 'GELU') return g.op('Gelu', [value], {}, { domain: MICROSOFT_DOMAIN })
  return g.op(dense.activation, [value])
}
