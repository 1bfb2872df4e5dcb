import { get } from 'node:http'
import { withRunning } from '../contestants/running.ts'
import { startServer } from '../contestants/server-process.ts'
import type { BenchContext } from '../context.ts'
import type { Address } from '../http/address.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { poissonArrivals } from '../lib/arrivals.ts'
import { readProcessMemory } from '../lib/process-memory.ts'
import { quantile } from '../lib/statistics.ts'
import { HTTP_TEXTS } from '../lib/workloads.ts'
import type { PartResult } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

/** Arrivals, as a multiple of what the server does with 32 connections. */
const OVERLOAD = 2
const SLICE_MS = 10_000
const PROBE_EVERY_MS = 100
/** How long a caller waits for an answer. */
const PATIENCE_MS = 2000
/** More than the server holds, so that the client never waits. */
const MAX_IN_FLIGHT = 4096
const CLOSED_LOOP = { name: '32x1', connections: 32, textsPerRequest: 1 }

interface Slice {
  readonly accepted: number
  /** Let in and not answered within the patience. */
  readonly late: number
  readonly refused: number
  readonly p50: number
  readonly p99: number
  readonly probes: readonly number[]
  readonly rssMib: number
}

/** Twice the load that a server can carry, for minutes: who is accepted is answered soon, probes too, memory stays. */
export async function measureSoak(context: BenchContext): Promise<PartResult> {
  const texts = context.workloads(HTTP_TEXTS)[0]?.texts ?? []
  const spec = context.own.server({ precision: 'int8', workers: 2 })
  const slices: Slice[] = []
  let rate = 0
  await withRunning([() => startLoadClient(context.own.client())], ([client]) =>
    withRunning([() => startServer(spec)], async ([server]) => {
      if (!server || !client) return
      const { address, pid } = server
      await client.runClosed(address, texts, CLOSED_LOOP)
      const { ms } = await client.runClosed(address, texts, CLOSED_LOOP)
      rate = (OVERLOAD * 1000 * texts.length) / ms
      const wanted = Math.max(1, Math.round((context.minutes * 60_000) / SLICE_MS))
      // A server just started compiles its own code first.
      await runSlice(client, address, texts, rate, 0)
      while (slices.length < wanted) {
        const slice = await runSlice(client, address, texts, rate, slices.length + 1)
        slices.push({ ...slice, rssMib: readProcessMemory(pid).rssMib ?? Number.NaN })
        context.say(
          `soak: ${slices.length} of ${wanted}, ${slice.accepted} answered, ${slice.late} late, ${slice.refused} refused, p99 ${fixed(slice.p99, 1)} ms, RSS ${fixed(slices.at(-1)?.rssMib)} MiB`,
        )
      }
    }),
  )
  return describe(slices, rate)
}

async function runSlice(
  client: LoadClient,
  address: Address,
  texts: readonly string[],
  rate: number,
  seed: number,
): Promise<Omit<Slice, 'rssMib'>> {
  const probes: number[] = []
  const probing = setInterval(() => {
    void probe(address).then((ms) => probes.push(ms))
  }, PROBE_EVERY_MS)
  try {
    const arrivals = poissonArrivals(rate, SLICE_MS, seed)
    const found = await client.runOpen(address, texts, arrivals, MAX_IN_FLIGHT, PATIENCE_MS)
    const { latenciesMs, refused, late } = found
    const accepted = latenciesMs.length
    const [p50, p99] = [quantile(latenciesMs, 0.5), quantile(latenciesMs, 0.99)]
    return { accepted, late, refused, p50, p99, probes }
  } finally {
    clearInterval(probing)
  }
}

/** Milliseconds to the answer of a liveness probe on a connection of its own; infinite where there is none. */
function probe({ host, port }: Address): Promise<number> {
  const start = performance.now()
  return new Promise((resolve) => {
    get({ host, port, path: '/livez', agent: false }, (response) => {
      response.resume()
      response.on('end', () => {
        resolve(response.statusCode === 200 ? performance.now() - start : Number.POSITIVE_INFINITY)
      })
    }).on('error', () => resolve(Number.POSITIVE_INFINITY))
  })
}

function describe(slices: readonly Slice[], rate: number): PartResult {
  const probes = slices.flatMap((slice) => slice.probes)
  const refused = slices.reduce((sum, slice) => sum + slice.refused, 0)
  const accepted = slices.reduce((sum, slice) => sum + slice.accepted, 0)
  const late = slices.reduce((sum, slice) => sum + slice.late, 0)
  const rss = slices.map(({ rssMib }) => rssMib)
  const seconds = (slices.length * SLICE_MS) / 1000
  const rows: (readonly [string, string])[] = [
    ['requests a second that arrive', fixed(rate)],
    ['answered a second', fixed(accepted / seconds)],
    ['refused with 429', percent(refused / Math.max(1, accepted + late + refused))],
    ['of those let in, answered in time', percent(accepted / Math.max(1, accepted + late))],
    ['p50 of the answered, median of slices, ms', fixed(middle(slices.map(({ p50 }) => p50)), 1)],
    ['p99 of the answered, median of slices, ms', fixed(middle(slices.map(({ p99 }) => p99)), 1)],
    ['p99 of the answered, worst slice, ms', fixed(Math.max(...slices.map((s) => s.p99)), 1)],
    ['liveness probe p50, ms', fixed(quantile(probes, 0.5), 1)],
    ['liveness probe p99, ms', fixed(quantile(probes, 0.99), 1)],
    ['liveness probe, longest, ms', fixed(Math.max(...probes), 1)],
    ['RSS after the first slice, MiB', fixed(rss[0])],
    ['RSS in the middle, MiB', fixed(rss[rss.length >> 1])],
    ['RSS at the end, MiB', fixed(rss.at(-1))],
  ]
  return {
    title: `Overload: ${OVERLOAD} times the capacity for ${fixed(seconds / 60, 1)} minutes`,
    method: `Single short texts as a Poisson process at ${OVERLOAD} times the rate of 32 connections, int8, 2 workers, default limits; each caller waits for ${PATIENCE_MS / 1000} s (x-espalier-timeout-ms); slices of ${SLICE_MS / 1000} s; a probe of /livez every ${PROBE_EVERY_MS} ms. Client, probes and server share the cores.`,
    tables: [{ head: ['', 'found'], words: 1, rows }],
    measurements: [],
    ratios: [],
    notes: [],
  }
}

function middle(values: readonly number[]): number {
  return quantile(values, 0.5)
}
