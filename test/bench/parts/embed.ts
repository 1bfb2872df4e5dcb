import { type EngineProcess, startEngine } from '../contestants/engine-process.ts'
import { type BenchPrecision, PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { interleave } from '../lib/interleave.ts'
import { median, passRatios, spread } from '../lib/statistics.ts'
import { describeWorkloads, PROCESS_TEXTS, type Workload } from '../lib/workloads.ts'
import { type Measurement, type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { fastest, lowestCosine, SAME_PRECISION } from './compare.ts'

/** What one engine did with one workload. */
interface Found {
  readonly name: string
  readonly ms: readonly number[]
  readonly sample: readonly (readonly number[])[]
}

/** Throughput in process, beside @huggingface/transformers. */
export async function measureEmbed(context: BenchContext): Promise<PartResult> {
  const own = [...PRECISIONS].reverse().map((precision) => context.own.engine({ precision }))
  const specs = [...own, ...context.transformers].filter(({ name }) => context.wants(name))
  const workloads = context.workloads(PROCESS_TEXTS)
  const starts = specs.map((spec) => () => {
    context.say(`embed: starting ${spec.name}`)
    return startEngine(spec)
  })
  return await withRunning(starts, async (engines) => {
    const rows: string[][] = []
    const ratios: Ratio[] = []
    const measurements: Measurement[] = []
    for (const workload of workloads) {
      const { found, tokens } = await runWorkload(context, engines, workload)
      const [baseline] = found
      for (const { name, ms, sample } of found) {
        measurements.push({ name: `${name}, ${workload.name}`, unit: 'ms', passes: ms })
        rows.push([
          name,
          workload.name,
          fixed((1000 * workload.texts.length) / median(ms)),
          fixed((1000 * tokens) / median(ms)),
          fixed(median(passRatios(baseline?.ms ?? [], ms)), 2),
          percent(spread(ms)),
          fixed(lowestCosine(sample, baseline?.sample ?? []), 5),
        ])
      }
      for (const precision of PRECISIONS) {
        ratios.push(...compareWithPeer(context, workload, found, precision))
      }
    }
    const head = ['engine', 'workload', 'texts/s', 'tokens/s', '×', 'spread', 'min cosine']
    const started = engines.map(({ name, detail, startMs }) => [name, detail, fixed(startMs)])
    return {
      title: 'Throughput, in process',
      method: `Each engine in a process of its own encodes all texts in one call; × is against ${engines[0]?.name} in the same passes, tokens are real ones. Workloads: ${describeWorkloads(workloads)}.`,
      tables: [
        { head, words: 2, rows },
        { head: ['engine', '', 'start to first vector, ms'], words: 2, rows: started },
      ],
      measurements,
      ratios,
      notes: [],
    }
  })
}

async function runWorkload(
  context: BenchContext,
  engines: readonly EngineProcess[],
  { name, texts }: Workload,
): Promise<{ readonly found: readonly Found[]; readonly tokens: number }> {
  const replies = await interleave(
    engines.map((engine) => () => engine.encode(texts)),
    context.passes,
    passTeller(context, `embed ${name}`),
  )
  const counts = replies.flat().find(({ tokens }) => tokens !== null)?.tokens
  return {
    found: engines.map((engine, at) => ({
      name: engine.name,
      ms: (replies[at] ?? []).map(({ ms }) => ms),
      sample: replies[at]?.at(-1)?.sample ?? [],
    })),
    tokens: counts?.reduce((sum, count) => sum + count, 0) ?? Number.NaN,
  }
}

/** Against the peer at whichever batch size suits the workload best. */
function compareWithPeer(
  { own, transformers }: BenchContext,
  workload: Workload,
  found: readonly Found[],
  precision: BenchPrecision,
): Ratio[] {
  const peer = SAME_PRECISION[precision]
  const ours = found.find(({ name }) => name === own.engine({ precision }).name)
  const best = fastest(found, transformers, peer)
  if (!ours || !best) return []
  return [ratioOf(`embed.${precision}.${workload.name}.${peer}`, best, ours.ms)]
}
