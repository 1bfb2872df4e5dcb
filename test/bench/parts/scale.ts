import { startEngine } from '../contestants/engine-process.ts'
import { withRunning } from '../contestants/running.ts'
import { startServer } from '../contestants/server-process.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { interleave } from '../lib/interleave.ts'
import { median, spread } from '../lib/statistics.ts'
import { describeWorkloads, HTTP_TEXTS } from '../lib/workloads.ts'
import { type Measurement, type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

const LOAD = { name: '4x32', connections: 4, textsPerRequest: 32 }
const CASES = ['1 worker', '2 workers', '2 workers over HTTP'] as const

/** What a second worker adds, and what HTTP takes away. */
export async function measureScale(context: BenchContext): Promise<PartResult> {
  const { own } = context
  const workloads = context.workloads(HTTP_TEXTS)
  const engines = [1, 2].map((workers) => {
    return () => startEngine(own.engine({ precision: 'int8', workers }))
  })
  const server = () => startServer(own.server({ precision: 'int8', workers: 2 }))
  const rows: string[][] = []
  const ratios: Ratio[] = []
  const measurements: Measurement[] = []
  await withRunning([() => startLoadClient(own.client())], ([client]) =>
    withRunning([server], ([target]) =>
      withRunning(engines, async (running) => {
        for (const { name, texts } of workloads) {
          const [one = [], two = [], http = []] = await interleave(
            [
              ...running.map((engine) => async () => (await engine.encode(texts)).ms),
              async () => {
                const { address } = target as Exclude<typeof target, undefined>
                return (await (client as LoadClient).runClosed(address, texts, LOAD)).ms
              },
            ],
            context.passes,
            passTeller(context, `scale ${name}`),
          )
          ratios.push(ratioOf(`scale.workers.${name}`, one, two))
          ratios.push(ratioOf(`scale.http.${name}`, two, http))
          for (const [at, ms] of [one, two, http].entries()) {
            const what = CASES[at] as string
            const speed = (1000 * texts.length) / median(ms)
            rows.push([what, name, fixed(speed), percent(spread(ms))])
            measurements.push({ name: `scale ${name}, ${what}`, unit: 'ms', passes: ms })
          }
        }
      }),
    ),
  )
  return {
    title: 'Workers, and the way through HTTP',
    method: `int8, all texts in one call, over HTTP 4 connections with 32 texts a request. Workloads: ${describeWorkloads(workloads)}.`,
    tables: [{ head: ['', 'workload', 'texts/s', 'spread'], words: 2, rows }],
    measurements,
    ratios,
    notes: [],
  }
}
