import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { Progress } from '../../lib/logger.ts'
import { GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { type NamedTensor, openSession, type Session } from '../../runtime/session.ts'
import { withModelFile } from '../source/model-file.ts'
import type { EncoderWeights } from '../source/weights.ts'
import type { Dialect, SiteKind } from '../text/dialect.ts'
import { addStack } from '../text/encoder-graph.ts'
import { createFloatDialect } from '../text/float-dialect.ts'
import { createFloat64Numerics, type Numerics } from '../text/numerics.ts'

/** Tokens of one run: enough to fill a core, few enough for small memory. */
const RUN_TOKENS = 512

const [IDS, MASK, STATES] = ['ids', 'mask', 'states']

/** How calibration runs. */
export interface CalibrateOptions {
  readonly threads: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: Progress | undefined
}

/** The input of a linear layer for every token of the calibration texts, shape [tokens, width]. */
export interface InputRows {
  readonly width: number
  readonly values: Float64Array
}

/** Texts of one length, and their states [batch, tokens, hidden] before the next layer. */
interface Run {
  readonly dims: readonly [batch: number, tokens: number]
  readonly mask: Float32Array
  states: Float64Array
}

/**
 * Runs token ids through the encoder in float64, one layer at a time, and gives what comes to each linear layer
 * of it. Only one layer's constants and inputs are in memory. Texts of one length share a run: nothing is padded.
 */
export async function* tapLayers(
  weights: EncoderWeights,
  texts: readonly Int32Array[],
  { threads, signal }: CalibrateOptions,
): AsyncGenerator<ReadonlyMap<SiteKind, InputRows>> {
  const numerics: Numerics = {
    ...createFloat64Numerics(weights.config.layerNormEpsilon),
    // Between layers nothing is rounded to float32, which would make the last digits matter.
    toFloat32: (_g, value) => value,
  }
  const dialect = createFloatDialect(weights, numerics)
  const runs = await embed(weights, dialect, texts, threads)
  const tokens = runs.reduce((sum, { mask }) => sum + mask.length, 0)
  for (let layer = 0; layer < weights.layers.length; layer++) {
    const { model, widths } = buildLayer(weights, dialect, layer)
    const inputs = new Map<SiteKind, InputRows>()
    for (const [kind, width] of widths) {
      inputs.set(kind, { width, values: new Float64Array(tokens * width) })
    }
    const session = await openSession(model, { threads, optimization: 'basic' })
    try {
      let at = 0
      for (const run of runs) {
        signal?.throwIfAborted()
        const found = await runLayer(session, run, weights.config.hidden, [...widths.keys()])
        for (const [kind, { width, values }] of inputs) values.set(read(found, kind), at * width)
        run.states = read(found, 'left')
        at += run.mask.length
        await yieldToLoop()
      }
    } finally {
      await session.release()
    }
    yield inputs
  }
}

function runLayer(
  session: Session,
  { dims, mask, states }: Run,
  hidden: number,
  kinds: readonly SiteKind[],
): Promise<Record<string, NamedTensor>> {
  const feeds = {
    [STATES]: { data: states, dims: [...dims, hidden] },
    [MASK]: { data: mask, dims },
  }
  return session.run(feeds, [...kinds, 'left'])
}

/** States before the first layer. */
async function embed(
  weights: EncoderWeights,
  dialect: Dialect,
  texts: readonly Int32Array[],
  threads: number,
): Promise<Run[]> {
  const g = new GraphBuilder('embeddings')
  const ids = g.input(IDS, 'int32', ['batch', 'tokens'])
  const mask = g.input(MASK, 'float32', ['batch', 'tokens'])
  const states = addStack(g, { weights, dialect, start: { ids }, mask, to: 0 })
  g.output('left', states, 'float64', ['batch', 'tokens', weights.config.hidden])
  return withModelFile(g.build(), async (path) => {
    const session = await openSession(path, { threads, optimization: 'basic' })
    try {
      const runs: Run[] = []
      for (const group of groupByLength(texts)) {
        const dims = [group.length, (group[0] as Int32Array).length] as const
        const data = Int32Array.from(group.flatMap((text) => Array.from(text)))
        const ones = new Float32Array(data.length).fill(1)
        const feeds = { [IDS]: { data, dims }, [MASK]: { data: ones, dims } }
        runs.push({ dims, mask: ones, states: read(await session.run(feeds), 'left') })
      }
      return runs
    } finally {
      await session.release()
    }
  })
}

function buildLayer(
  weights: EncoderWeights,
  dialect: Dialect,
  layer: number,
): { model: Uint8Array; widths: ReadonlyMap<SiteKind, number> } {
  const { hidden } = weights.config
  const g = new GraphBuilder('layer')
  const start = { states: g.input(STATES, 'float64', ['batch', 'tokens', hidden]) }
  const mask = g.input(MASK, 'float32', ['batch', 'tokens'])
  const widths = new Map<SiteKind, number>()
  const tapped: Dialect = {
    ...dialect,
    linear(builder, site, input, linear) {
      builder.output(site.kind, input, 'float64', ['rows', linear.inputs])
      widths.set(site.kind, linear.inputs)
      return dialect.linear(builder, site, input, linear)
    },
  }
  const stack = { weights, dialect: tapped, start, mask, from: layer, to: layer + 1 }
  g.output('left', addStack(g, stack), 'float64', ['batch', 'tokens', hidden])
  return { model: serializeModel(g.build()).graph, widths }
}

function read(values: Readonly<Record<string, NamedTensor>>, name: string): Float64Array {
  return (values[name] as NamedTensor).data as Float64Array
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
