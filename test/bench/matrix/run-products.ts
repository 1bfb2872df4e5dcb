import { serializeModel } from '../../../shared/onnx/writer.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import type { BenchPrecision } from '../contestants/own.ts'
import { buildProductsGraph, type EncoderShape, PRODUCT_INPUTS } from './products-graph.ts'

/** A padded run of the encoder: texts and tokens of each. */
export interface RunShape {
  readonly batch: number
  readonly width: number
}

/** The matrix products of one encoder, open in the calling thread with one thread of its own. */
export interface Products {
  run(shape: RunShape): Promise<void>
  release(): Promise<void>
}

/** Opens the products for runs of up to the given sizes. */
export async function openProducts(
  shape: EncoderShape,
  precision: BenchPrecision,
  runs: readonly RunShape[],
): Promise<Products> {
  const model = serializeModel(buildProductsGraph(shape, precision)).graph
  const session = await openSession(model, { optimization: 'disabled' })
  const { hidden, heads, intermediate } = shape
  const rows = Math.max(...runs.map(({ batch, width }) => batch * width))
  const squares = Math.max(...runs.map(({ batch, width }) => batch * width * width))
  const states = activations(rows * hidden)
  const inner = activations(rows * intermediate)
  const parts = new Float32Array(rows * hidden).fill(0.5)
  const shares = new Float32Array(squares * heads).fill(0.01)

  return {
    async run({ batch, width }) {
      const tokens = batch * width
      const attention = [batch, heads, width] as const
      const feeds: Record<string, NamedTensor> = {
        [PRODUCT_INPUTS.states]: {
          data: states.subarray(0, tokens * hidden),
          dims: [tokens, hidden],
        },
        [PRODUCT_INPUTS.inner]: {
          data: inner.subarray(0, tokens * intermediate),
          dims: [tokens, intermediate],
        },
        [PRODUCT_INPUTS.parts]: {
          data: parts.subarray(0, tokens * hidden),
          dims: [...attention, hidden / heads],
        },
        [PRODUCT_INPUTS.shares]: {
          data: shares.subarray(0, tokens * width * heads),
          dims: [...attention, width],
        },
      }
      await session.run(feeds)
    },
    release: () => session.release(),
  }

  function activations(length: number): Uint8Array | Float32Array {
    if (precision === 'int8') return new Uint8Array(length).fill(131)
    return new Float32Array(length).fill(0.25)
  }
}
