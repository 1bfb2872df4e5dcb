import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { Progress } from '../../lib/logger.ts'
import type { Graph, GraphBuilder, ValueInfo } from '../../onnx/graph.ts'
import { openSession } from '../../runtime/session.ts'
import { withModelFile } from '../source/model-file.ts'
import type { EncoderWeights, Linear } from '../source/weights.ts'
import type { Dialect, Site } from '../text/dialect.ts'
import { buildEncoderGraph, GRAPH_NAMES } from '../text/encoder-graph.ts'
import { createFloatDialect } from '../text/float-dialect.ts'
import { createFloat64Numerics } from '../text/numerics.ts'
import { siteKey } from './calibration-file.ts'

/** Tokens of one run: enough to fill a core, few enough for small memory. */
const RUN_TOKENS = 1024

/** How calibration runs. */
export interface CalibrateOptions {
  readonly threads: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: Progress | undefined
}

/** What is measured at the input [tokens, inputs] of each linear layer. */
export interface Tap {
  /** Adds operators to the graph and names what they give. */
  add(g: GraphBuilder, site: Site, input: string, linear: Linear): ValueInfo[]
  /** Takes the values of one run. */
  take(values: ReadonlyMap<string, ArrayLike<number>>, tokens: number): void
}

/**
 * Runs token ids through the encoder in float64 with a tap at every linear layer. Texts of one length share
 * a run, so that nothing is padded.
 */
export async function runTapped(
  weights: EncoderWeights,
  texts: readonly Int32Array[],
  tap: Tap,
  options: CalibrateOptions,
): Promise<void> {
  const { graph, names } = buildTappedGraph(weights, tap)
  const runs = groupByLength(texts)
  await withModelFile(graph, async (path) => {
    const session = await openSession(path, { threads: options.threads, optimization: 'basic' })
    try {
      let done = 0
      for (const run of runs) {
        options.signal?.throwIfAborted()
        const dims = [run.length, (run[0] as Int32Array).length]
        const ids = Int32Array.from(run.flatMap((text) => Array.from(text)))
        const mask = new Float32Array(ids.length).fill(1)
        const result = await session.run(
          {
            [GRAPH_NAMES.ids]: { data: ids, dims },
            [GRAPH_NAMES.mask]: { data: mask, dims },
          },
          names,
        )
        const values = Object.entries(result).map(
          ([name, { data }]) => [name, data as Float64Array | Int32Array] as const,
        )
        tap.take(new Map(values), ids.length)
        done += run.length
        options.onProgress?.('calibrating', done, texts.length)
        await yieldToLoop()
      }
    } finally {
      await session.release()
    }
  })
}

function groupByLength(texts: readonly Int32Array[]): Int32Array[][] {
  const groups = new Map<number, Int32Array[][]>()
  for (const text of texts) {
    const runs = groups.get(text.length) ?? []
    const last = runs.at(-1)
    if (last && (last.length + 1) * text.length <= RUN_TOKENS) last.push(text)
    else runs.push([text])
    groups.set(text.length, runs)
  }
  return [...groups.values()].flat()
}

function buildTappedGraph(weights: EncoderWeights, tap: Tap): { graph: Graph; names: string[] } {
  const plain = createFloatDialect(weights, createFloat64Numerics(weights.config.layerNormEpsilon))
  const outputs: ValueInfo[] = []
  const tapped: Dialect = {
    ...plain,
    linear(g, site, input, linear) {
      outputs.push(...tap.add(g, site, input, linear))
      return plain.linear(g, site, input, linear)
    },
  }
  const graph = buildEncoderGraph(weights, 'cls', tapped)
  const names = outputs.map(({ name }) => name)
  return { graph: { ...graph, outputs: [...graph.outputs, ...outputs] }, names }
}

/** A name for what a tap gives. */
export function tapName(site: Site, part: string): string {
  return `${siteKey(site)}.${part}`
}
