import { ELEMENT_TYPES, GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { openSession } from '../../runtime/session.ts'
import { ACTIVATION_LEVELS, type InputGrid } from './quantize.ts'
import type { CalibrateOptions, InputRows } from './tapped-run.ts'

/** Channels that are rounded in view of each other; the cost grows with the cube, the gain hardly. */
const MAX_BLOCK = 1024
/** Tokens of one run. */
const RUN_TOKENS = 1024

/** A run of channels of one layer's input. */
export interface Block {
  readonly from: number
  readonly size: number
}

/** First and second moments of a layer's quantised input. */
export interface Moments {
  readonly blocks: readonly Block[]
  /** Mean of q, shape [inputs]. */
  readonly mean: Float64Array
  /** Covariance of q within a block, shape [size, size]. */
  covariance(block: Block): Float64Array
}

/**
 * Sums up q and q·qᵀ of a linear layer's input on its grid, of at most 33,000 rows. Products of integers add up
 * exactly in any order: every machine finds the same.
 */
export async function measureMoments(
  { width, values }: InputRows,
  grid: InputGrid,
  { threads, signal }: CalibrateOptions,
): Promise<Moments> {
  const blocks = listBlocks(width)
  const total = new Int32Array(width)
  const grams = blocks.map(({ size }) => new Int32Array(size * size))
  const session = await openSession(buildGraph(width, blocks, grid), {
    threads,
    optimization: 'basic',
  })
  const rows = values.length / width
  try {
    for (let at = 0; at < rows; at += RUN_TOKENS) {
      signal?.throwIfAborted()
      const data = values.subarray(at * width, Math.min(at + RUN_TOKENS, rows) * width)
      const found = await session.run({ x: { data, dims: [data.length / width, width] } })
      addInto(total, found.sum?.data as Int32Array)
      for (const [n, gram] of grams.entries()) addInto(gram, found[`gram${n}`]?.data as Int32Array)
    }
  } finally {
    await session.release()
  }
  const mean = Float64Array.from(total, (sum) => sum / rows)
  return {
    blocks,
    mean,
    covariance(block) {
      const { from, size } = block
      const gram = grams[blocks.indexOf(block)] as Int32Array
      const covariance = new Float64Array(size * size)
      for (let row = 0; row < size; row++) {
        for (let column = 0; column < size; column++) {
          const at = row * size + column
          const product = (mean[from + row] as number) * (mean[from + column] as number)
          covariance[at] = (gram[at] as number) / rows - product
        }
      }
      return covariance
    },
  }
}

function listBlocks(inputs: number): Block[] {
  const size = Math.ceil(inputs / Math.ceil(inputs / MAX_BLOCK))
  const count = Math.ceil(inputs / size)
  return Array.from({ length: count }, (_, n) => ({
    from: n * size,
    size: Math.min(size, inputs - n * size),
  }))
}

/** x [tokens, width] → `sum` [width] and `gram0`, `gram1` … [size, size]. */
function buildGraph(width: number, blocks: readonly Block[], grid: InputGrid): Uint8Array {
  const g = new GraphBuilder('moments')
  const x = g.input('x', 'float64', ['tokens', width])
  const factor = g.constant('multiplier', 'float64', [width], grid.multiplier)
  const shift = g.constant('offset', 'float64', [width], grid.offset)
  const rounded = g.op('Round', [g.op('Add', [g.op('Mul', [x, factor]), shift])])
  const least = g.constant('least', 'float64', [], Float64Array.of(0))
  const most = g.constant('most', 'float64', [], Float64Array.of(ACTIVATION_LEVELS))
  const clipped = g.op('Clip', [rounded, least, most])
  const q = g.op('Cast', [clipped], { to: ELEMENT_TYPES.uint8 })
  const wide = g.op('Cast', [q], { to: ELEMENT_TYPES.int32 })
  g.output('sum', g.op('ReduceSum', [wide, g.int64s(0)], { keepdims: 0 }), 'int32', [width])
  for (const [n, { from, size }] of blocks.entries()) {
    const part = g.op('Slice', [q, g.int64s(from), g.int64s(from + size), g.int64s(1)])
    const turned = g.op('Transpose', [part], { perm: [1, 0] })
    g.output(`gram${n}`, g.op('MatMulInteger', [turned, part]), 'int32', [size, size])
  }
  return serializeModel(g.build()).graph
}

function addInto(total: Int32Array, values: Int32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (values[i] as number)
}
