import { join } from 'node:path'
import { readTransformerConfig } from '../../../shared/exporter/source/source-config.ts'
import { CPU_GROUPING, groupByLength } from '../../../shared/runtime/grouping.ts'
import { forkChild } from '../contestants/child.ts'
import { type EngineProcess, startEngine } from '../contestants/engine-process.ts'
import { type BenchPrecision, BUILTIN_FOLDER, PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { interleave } from '../lib/interleave.ts'
import { median, spread } from '../lib/statistics.ts'
import { describeWorkloads, HTTP_TEXTS, type Workload } from '../lib/workloads.ts'
import { countOperations, type EncoderShape } from '../matrix/products-graph.ts'
import type { MatrixOptions, MatrixReply, MatrixRequest } from '../matrix/protocol.ts'
import type { RunShape } from '../matrix/run-products.ts'
import { type Measurement, type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { measureProfile } from './profile.ts'

const WORKERS = 2
const HEAD = ['precision', 'workload', 'engine ms', 'products ms', 'share', 'spread', 'GFLOP/s']

interface CaseResult {
  readonly row: readonly string[]
  readonly measurements: readonly Measurement[]
  readonly ratio: Ratio
}

/** How much of the engine's time its matrix products would take alone, and where the rest goes. */
export async function measureKernels(context: BenchContext): Promise<PartResult> {
  const workloads = context.workloads(HTTP_TEXTS)
  const shape = await readTransformerConfig(join(context.root, BUILTIN_FOLDER))
  const cases: CaseResult[] = []
  for (const precision of PRECISIONS) {
    const spec = context.own.engine({ precision, workers: WORKERS })
    if (!context.wants(spec.name)) continue
    await withRunning([() => startEngine(spec)], async ([engine]) => {
      for (const workload of workloads) {
        cases.push(await runCase(context, engine as EngineProcess, shape, precision, workload))
      }
    })
  }
  const profile = await measureProfile(context)
  return {
    title: 'Matrix products alone',
    method: `The encoder's matrix products and nothing else, at the shapes into which the workload's texts group, on ${WORKERS} threads beside an engine with ${WORKERS} workers. The share is their time divided by the engine's; GFLOP/s is what they reach together. Workloads: ${describeWorkloads(workloads)}. ${profile.method}`,
    tables: [{ head: HEAD, words: 2, rows: cases.map(({ row }) => row) }, ...profile.tables],
    measurements: cases.flatMap(({ measurements }) => measurements),
    ratios: cases.map(({ ratio }) => ratio),
    notes: [],
  }
}

async function runCase(
  context: BenchContext,
  engine: EngineProcess,
  shape: EncoderShape,
  precision: BenchPrecision,
  { name, texts }: Workload,
): Promise<CaseResult> {
  const { tokens } = await engine.encode(texts)
  const runs = groupByLength(tokens ?? [], CPU_GROUPING).map(({ members, width }): RunShape => {
    return { batch: members.length, width }
  })
  const options: MatrixOptions = { precision, shape, workers: WORKERS, runs }
  const start = () => forkChild<MatrixRequest, MatrixReply>(context.own.matrix(options))
  const [engineMs = [], productsMs = []] = await withRunning([start], ([matrix]) =>
    interleave(
      [
        async () => (await engine.encode(texts)).ms,
        async () => (await matrix?.ask({ kind: 'products', runs }, 'products'))?.ms ?? Number.NaN,
      ],
      context.passes,
      passTeller(context, `kernels ${precision} ${name}`),
    ),
  )
  const ratio = ratioOf(`kernels.${precision}.${name}`, productsMs, engineMs)
  const operations = runs.reduce((sum, run) => sum + countOperations(shape, run), 0)
  return {
    row: [
      precision,
      name,
      fixed(median(engineMs)),
      fixed(median(productsMs)),
      fixed(ratio.value, 2),
      percent(spread(productsMs)),
      fixed(operations / median(productsMs) / 1e6),
    ],
    measurements: [
      { name: `kernels ${precision} ${name}, engine`, unit: 'ms', passes: engineMs },
      { name: `kernels ${precision} ${name}, products`, unit: 'ms', passes: productsMs },
    ],
    ratio,
  }
}
