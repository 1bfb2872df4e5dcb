import { ELEMENT_TYPES, type GraphBuilder } from '../../onnx/graph.ts'
import type { EncoderWeights } from '../source/weights.ts'
import { siteKey } from './calibration-file.ts'
import { ACTIVATION_LEVELS, type InputGrid } from './quantize.ts'
import { type CalibrateOptions, runTapped, tapName } from './tapped-run.ts'

/** Channels that are rounded in view of each other; the cost grows with the cube, the gain hardly. */
const MAX_BLOCK = 1024
/** More tokens teach nothing; sums of 255² over this many fit 32 bits. */
const MAX_TOKENS = 16_384

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
 * Runs an even sample of the calibration texts through the encoder in float64 and sums up q and q·qᵀ of each
 * layer's input on its grid. Products of integers add up exactly in any order: every machine finds the same.
 */
export async function measureMoments(
  weights: EncoderWeights,
  grids: ReadonlyMap<string, InputGrid>,
  texts: readonly Int32Array[],
  options: CalibrateOptions,
): Promise<Map<string, Moments>> {
  const sums = new Map<string, Sums>()
  await runTapped(
    weights,
    sampleTexts(texts),
    {
      add(g, site, input, { inputs }) {
        const key = siteKey(site)
        const blocks = listBlocks(inputs)
        const sum = { name: tapName(site, 'sum'), total: new Int32Array(inputs) }
        const grams = blocks.map(({ size }, n) => ({
          name: tapName(site, `gram${n}`),
          total: new Int32Array(size * size),
        }))
        const q = addQuantized(g, key, input, grids.get(key) as InputGrid)
        addSum(g, q, sum.name)
        for (const [n, block] of blocks.entries()) {
          addGram(g, q, block, (grams[n] as Sum).name)
        }
        sums.set(key, { tokens: 0, blocks, sum, grams })
        return [sum, ...grams].map(({ name, total }) => ({
          name,
          type: 'int32',
          shape: name === sum.name ? [inputs] : [Math.sqrt(total.length), Math.sqrt(total.length)],
        }))
      },
      take(values, tokens) {
        for (const entry of sums.values()) {
          entry.tokens += tokens
          for (const { name, total } of [entry.sum, ...entry.grams]) {
            addInto(total, values.get(name) as ArrayLike<number>)
          }
        }
      },
    },
    options,
  )
  return new Map([...sums].map(([key, entry]) => [key, finish(entry)]))
}

interface Sum {
  readonly name: string
  readonly total: Int32Array
}

interface Sums {
  tokens: number
  readonly blocks: readonly Block[]
  readonly sum: Sum
  readonly grams: readonly Sum[]
}

function sampleTexts(texts: readonly Int32Array[]): Int32Array[] {
  const tokens = texts.reduce((sum, text) => sum + text.length, 0)
  const stride = Math.ceil(tokens / MAX_TOKENS)
  let room = MAX_TOKENS
  return texts.filter((text, i) => {
    if (i % stride !== 0 || text.length > room) return false
    room -= text.length
    return true
  })
}

function listBlocks(inputs: number): Block[] {
  const size = Math.ceil(inputs / Math.ceil(inputs / MAX_BLOCK))
  const count = Math.ceil(inputs / size)
  return Array.from({ length: count }, (_, n) => ({
    from: n * size,
    size: Math.min(size, inputs - n * size),
  }))
}

/** q as uint8 [tokens, inputs]. */
function addQuantized(
  g: GraphBuilder,
  key: string,
  input: string,
  { multiplier, offset }: InputGrid,
): string {
  const width = [multiplier.length]
  const factor = g.constant(`${key}.multiplier`, 'float64', width, multiplier)
  const shift = g.constant(`${key}.offset`, 'float64', width, offset)
  const rounded = g.op('Round', [g.op('Add', [g.op('Mul', [input, factor]), shift])])
  const bound = (value: number) => {
    const name = `level_${value}`
    return g.has(name) ? name : g.constant(name, 'float64', [], Float64Array.of(value))
  }
  const clipped = g.op('Clip', [rounded, bound(0), bound(ACTIVATION_LEVELS)])
  return g.op('Cast', [clipped], { to: ELEMENT_TYPES.uint8 })
}

function addSum(g: GraphBuilder, q: string, name: string): void {
  const wide = g.op('Cast', [q], { to: ELEMENT_TYPES.int32 })
  g.op('ReduceSum', [wide, g.int64s(0)], { keepdims: 0 }, { outputs: [name] })
}

function addGram(g: GraphBuilder, q: string, { from, size }: Block, name: string): void {
  const part = g.op('Slice', [q, g.int64s(from), g.int64s(from + size), g.int64s(1)])
  const turned = g.op('Transpose', [part], { perm: [1, 0] })
  g.op('MatMulInteger', [turned, part], {}, { outputs: [name] })
}

function addInto(total: Int32Array, values: ArrayLike<number>): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (values[i] as number)
}

function finish({ tokens, blocks, sum, grams }: Sums): Moments {
  const mean = Float64Array.from(sum.total, (total) => total / tokens)
  return {
    blocks,
    mean,
    covariance(block) {
      const { from, size } = block
      const gram = (grams[blocks.indexOf(block)] as Sum).total
      return Float64Array.from(gram, (total, at) => {
        const [row, column] = [Math.floor(at / size), at % size]
        return total / tokens - (mean[from + row] as number) * (mean[from + column] as number)
      })
    },
  }
}
