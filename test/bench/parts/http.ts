import { type EngineProcess, startEngine } from '../contestants/engine-process.ts'
import { PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { type Target, targetStarts } from '../contestants/targets.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { fetchVectors } from '../http/fetch-vectors.ts'
import { type LoadClient, type LoadShape, startLoadClient } from '../http/load-client.ts'
import { interleave } from '../lib/interleave.ts'
import { median, quantile, spread } from '../lib/statistics.ts'
import { describeWorkloads, HTTP_TEXTS, type Workload } from '../lib/workloads.ts'
import { type Measurement, type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { fastest, lowestCosine, SAME_PRECISION } from './compare.ts'

/** Many callers with one text each, and few with many: the two ways in which servers are used. */
const LOAD_SHAPES: readonly LoadShape[] = [
  { name: '32x1', connections: 32, textsPerRequest: 1 },
  { name: '4x32', connections: 4, textsPerRequest: 32 },
]
const SAMPLE_TEXTS = 8
const HEAD = ['server', 'workload', 'load', 'texts/s', 'p50 ms', 'p90 ms', 'p99 ms']

/** Everything that takes part in the passes. */
interface Field {
  readonly context: BenchContext
  readonly client: LoadClient
  readonly targets: readonly Target[]
  /** The peer in process, where no other server is at hand. */
  readonly engines: readonly EngineProcess[]
  readonly cosines: ReadonlyMap<string, number>
}

interface CaseResult {
  readonly rows: readonly (readonly string[])[]
  readonly measurements: readonly Measurement[]
  readonly ratios: readonly Ratio[]
}

/** Throughput and latency over HTTP under a closed loop, beside the peers that are there. */
export async function measureHttp(context: BenchContext): Promise<PartResult> {
  const workloads = context.workloads(HTTP_TEXTS)
  // The ratios to other servers follow from those to the peer in process, which is measured at the same times.
  const standIns = context.servers.length > 0 ? [] : context.transformers
  const engineStarts = standIns
    .filter(({ name }) => context.wants(name))
    .map((spec) => () => startEngine(spec))
  const cases = await withRunning([() => startLoadClient(context.own.client())], ([client]) =>
    withRunning(targetStarts(context), (targets) =>
      withRunning(engineStarts, async (engines) => {
        const cosines = await compareVectors(targets, workloads)
        const field = { context, client: client as LoadClient, targets, engines, cosines }
        const found: CaseResult[] = []
        for (const workload of workloads) {
          for (const shape of LOAD_SHAPES) found.push(await runCase(field, workload, shape))
        }
        return found
      }),
    ),
  )
  const rows = cases.flatMap((found) => found.rows)
  return {
    title: 'Throughput and latency over HTTP, closed loop',
    method: `\`POST /embed\`; 32x1 is 32 connections with one text a request, 4x32 is 4 connections with 32 texts. The load client is a process on the same machine. Latencies are of requests, medians over passes; vectors of every server are compared with those of the first. Workloads: ${describeWorkloads(workloads)}.`,
    tables: [{ head: [...HEAD, 'spread', 'min cosine'], words: 3, rows }],
    measurements: cases.flatMap(({ measurements }) => measurements),
    ratios: cases.flatMap(({ ratios }) => ratios),
    notes: [],
  }
}

async function runCase(field: Field, workload: Workload, shape: LoadShape): Promise<CaseResult> {
  const { context, client, targets, engines, cosines } = field
  const { name: texts } = workload
  const served = targets.map(
    ({ address }) =>
      () =>
        client.runClosed(address, workload.texts, shape),
  )
  const inProcess = engines.map((engine) => async () => {
    return { ms: (await engine.encode(workload.texts)).ms, latenciesMs: [] }
  })
  const results = await interleave<{ ms: number; latenciesMs: readonly number[] }>(
    [...served, ...inProcess],
    context.passes,
    passTeller(context, `http ${texts} ${shape.name}`),
  )
  const found = [...targets, ...engines].map(({ name }, at) => {
    const passes = results[at] ?? []
    return { name, load: at < targets.length ? shape.name : 'in process', passes }
  })
  const timed = found.map(({ name, passes }) => ({ name, ms: passes.map(({ ms }) => ms) }))
  return {
    rows: found.map(({ name, load, passes }, at) => {
      const ms = timed[at]?.ms ?? []
      const quantiles = [0.5, 0.9, 0.99].map((q) =>
        median(passes.map(({ latenciesMs }) => quantile(latenciesMs, q))),
      )
      const speed = (1000 * workload.texts.length) / median(ms)
      const times = quantiles.map((value) => fixed(value, 1))
      return [
        name,
        texts,
        load,
        fixed(speed),
        ...times,
        percent(spread(ms)),
        fixed(cosines.get(name), 5),
      ]
    }),
    measurements: timed.map(({ name, ms }) => ({
      name: `${name}, http ${texts} ${shape.name}`,
      unit: 'ms',
      passes: ms,
    })),
    ratios: compareServers(context, `${shape.name}.{precision}.${texts}`, timed),
  }
}

function compareServers(
  { own, servers, transformers }: BenchContext,
  place: string,
  found: readonly { readonly name: string; readonly ms: readonly number[] }[],
): Ratio[] {
  const timesOf = (wanted: string) => found.find(({ name }) => name === wanted)?.ms ?? null
  return PRECISIONS.flatMap((precision) => {
    const ours = timesOf(own.server({ precision }).name)
    const inProcess = SAME_PRECISION[precision]
    const others = [
      ...servers.map(({ peer, name }) => ({ peer, ms: timesOf(name) })),
      { peer: inProcess, ms: fastest(found, transformers, inProcess) },
    ]
    return others.flatMap(({ peer, ms }) => {
      if (ours === null || ms === null) return []
      return [ratioOf(`http.${place.replace('{precision}', precision)}.${peer}`, ms, ours)]
    })
  })
}

/** Lowest cosine of each server's vectors to the first server's, over the first texts of every workload. */
async function compareVectors(
  targets: readonly Target[],
  workloads: readonly Workload[],
): Promise<ReadonlyMap<string, number>> {
  const texts = workloads.flatMap((workload) => workload.texts.slice(0, SAMPLE_TEXTS))
  const vectors: number[][][] = []
  for (const { address, name } of targets) vectors.push(await fetchVectors(address, name, texts))
  return new Map(
    targets.map(({ name }, at) => [name, lowestCosine(vectors[at] ?? [], vectors[0] ?? [])]),
  )
}
