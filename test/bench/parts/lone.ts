import { startEngine } from '../contestants/engine-process.ts'
import { PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { targetStarts } from '../contestants/targets.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { interleave } from '../lib/interleave.ts'
import { median, quantile, spread } from '../lib/statistics.ts'
import { PROCESS_TEXTS } from '../lib/workloads.ts'
import { type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { SAME_PRECISION } from './compare.ts'

const TEXTS = 256
const ONE_BY_ONE = { name: '1x1', connections: 1, textsPerRequest: 1 }
const QUANTILES = [0.5, 0.9, 0.99]

interface Found {
  readonly name: string
  readonly way: 'http' | 'process'
  /** p50, p90, p99 of each pass. */
  readonly passes: readonly (readonly number[])[]
}

/** What one client waits for one short text on an idle machine. */
export async function measureLone(context: BenchContext): Promise<PartResult> {
  const texts = (context.workloads(PROCESS_TEXTS)[0]?.texts ?? []).slice(0, TEXTS)
  const specs = [
    ...PRECISIONS.map((precision) => context.own.engine({ precision })),
    ...context.transformers.filter(({ batch }) => batch === 1),
  ].filter(({ name }) => context.wants(name))
  const found = await withRunning([() => startLoadClient(context.own.client())], ([client]) =>
    withRunning(targetStarts(context), (targets) =>
      withRunning(
        specs.map((spec) => () => startEngine(spec)),
        async (engines) => {
          const results = await interleave<readonly number[]>(
            [
              ...targets.map(({ address }) => async () => {
                const loop = (client as LoadClient).runClosed(address, texts, ONE_BY_ONE)
                return (await loop).latenciesMs
              }),
              ...engines.map((engine) => () => engine.encodeEach(texts)),
            ],
            context.passes,
            passTeller(context, 'lone requests'),
          )
          return [...targets, ...engines].map(
            ({ name }, at): Found => ({
              name,
              way: at < targets.length ? 'http' : 'process',
              passes: (results[at] ?? []).map((ms) => QUANTILES.map((q) => quantile(ms, q))),
            }),
          )
        },
      ),
    ),
  )
  return {
    title: 'One short text at a time',
    method: `One client that waits for each answer, nothing else running; ${texts.length} texts a pass, quantiles as medians over passes.`,
    tables: [
      {
        head: ['contestant', '', 'p50 ms', 'p90 ms', 'p99 ms', 'spread of p50'],
        words: 2,
        rows: found.map(({ name, way, passes }) => [
          name,
          way === 'http' ? 'HTTP' : 'in process',
          ...QUANTILES.map((_, at) =>
            fixed(median(passes.map((pass) => pass[at] ?? Number.NaN)), 2),
          ),
          percent(spread(halfWay(passes))),
        ]),
      },
    ],
    measurements: found.map(({ name, way, passes }) => ({
      name: `${name}, lone ${way} p50`,
      unit: 'ms',
      passes: halfWay(passes),
    })),
    ratios: compareLone(context, found),
    notes: [],
  }
}

function halfWay(passes: Found['passes']): number[] {
  return passes.map(([p50 = Number.NaN]) => p50)
}

function compareLone(
  { own, servers, transformers }: BenchContext,
  found: readonly Found[],
): Ratio[] {
  const timesOf = (name: string, way: Found['way']) =>
    found.find((one) => one.name === name && one.way === way)?.passes
  return PRECISIONS.flatMap((precision) => {
    const inProcess = SAME_PRECISION[precision]
    const alone = transformers.find(({ peer, batch }) => peer === inProcess && batch === 1)
    const pairs = [
      ...servers.map(({ peer, name }) => ({ peer, name, way: 'http' as const })),
      { peer: inProcess, name: alone?.name ?? '', way: 'process' as const },
    ]
    return pairs.flatMap(({ peer, name, way }) => {
      const ours = timesOf(own.server({ precision }).name, way)
      const theirs = timesOf(name, way)
      if (!ours || !theirs) return []
      return [ratioOf(`lone.${way}.${precision}.${peer}`, halfWay(theirs), halfWay(ours))]
    })
  })
}
