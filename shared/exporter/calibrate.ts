import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { Progress } from '../lib/logger.ts'
import type { Graph, ValueInfo } from '../onnx/graph.ts'
import { openSession } from '../runtime/session.ts'
import { siteKey } from './calibration-file.ts'
import { buildEncoderGraph, type Dialect, GRAPH_NAMES } from './encoder-graph.ts'
import { createFloatDialect } from './float-dialect.ts'
import { createFloat64Numerics } from './numerics.ts'
import type { Ranges } from './quantize.ts'
import { withModelFile } from './temporary-model.ts'
import type { EncoderWeights } from './weights.ts'

/** How calibration runs. */
export interface CalibrateOptions {
  readonly threads: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: Progress | undefined
}

/**
 * Runs token ids of the calibration texts, one text at a time, through the encoder in float64 and records
 * the range of every input channel of every linear layer.
 */
export async function measureRanges(
  weights: EncoderWeights,
  texts: readonly Int32Array[],
  options: CalibrateOptions,
): Promise<Map<string, Ranges>> {
  const { graph, taps } = buildTappedGraph(weights)
  const ranges = new Map<string, Ranges>()
  await withModelFile(graph, async (path) => {
    const session = await openSession(path, { threads: options.threads, optimization: 'basic' })
    try {
      for (const [index, ids] of texts.entries()) {
        options.signal?.throwIfAborted()
        const dims = [1, ids.length]
        const mask = new Float32Array(ids.length).fill(1)
        const result = await session.run(
          {
            [GRAPH_NAMES.ids]: { data: ids, dims },
            [GRAPH_NAMES.mask]: { data: mask, dims },
          },
          taps.flatMap((tap) => [`${tap}.low`, `${tap}.high`]),
        )
        for (const tap of taps) {
          const low = result[`${tap}.low`]?.data as Float64Array
          const high = result[`${tap}.high`]?.data as Float64Array
          widen(ranges, tap, low, high)
        }
        options.onProgress?.('calibrating', index + 1, texts.length)
        await yieldToLoop()
      }
    } finally {
      await session.release()
    }
  })
  return ranges
}

function widen(
  ranges: Map<string, Ranges>,
  tap: string,
  low: Float64Array,
  high: Float64Array,
): void {
  const known = ranges.get(tap)
  if (!known) {
    ranges.set(tap, { low: low.slice(), high: high.slice() })
    return
  }
  for (let c = 0; c < low.length; c++) {
    known.low[c] = Math.min(known.low[c] as number, low[c] as number)
    known.high[c] = Math.max(known.high[c] as number, high[c] as number)
  }
}

function buildTappedGraph(weights: EncoderWeights): { graph: Graph; taps: string[] } {
  const numerics = createFloat64Numerics(weights.config.layerNormEpsilon)
  const plain = createFloatDialect(weights, numerics)
  const taps: string[] = []
  const outputs: ValueInfo[] = []
  const tapped: Dialect = {
    ...plain,
    linear(g, site, input, linear) {
      const key = siteKey(site)
      for (const [end, op] of [
        ['low', 'ReduceMin'],
        ['high', 'ReduceMax'],
      ] as const) {
        g.op(op, [input], { axes: [0], keepdims: 0 }, { outputs: [`${key}.${end}`] })
        outputs.push({ name: `${key}.${end}`, type: 'float64', shape: [linear.inputs] })
      }
      taps.push(key)
      return plain.linear(g, site, input, linear)
    },
  }
  const graph = buildEncoderGraph(weights, 'cls', tapped)
  return { graph: { ...graph, outputs: [...graph.outputs, ...outputs] }, taps }
}
