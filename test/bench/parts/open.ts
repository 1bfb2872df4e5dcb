import { PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { type Target, targetStarts } from '../contestants/targets.ts'
import type { BenchContext } from '../context.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { poissonArrivals } from '../lib/arrivals.ts'
import { bestRate, nextRate, type Trial } from '../lib/rate-search.ts'
import { median, quantile } from '../lib/statistics.ts'
import { HTTP_TEXTS } from '../lib/workloads.ts'
import type { PartResult, Ratio } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

const LIMIT_MS = 25
/** A rate is tried this often, for this long, and holds when the middle one of the tries does. */
const TRIES = 3
const TRY_MS = 2000
const SEARCH = { factor: 1.4, resolution: 1.05, maxTrials: 9 }
/** The first rate, as a share of what the server does with 32 connections. */
const FIRST_SHARE = 0.6
/** Unanswered requests that show that a rate cannot hold: more than any server answers in the limit. */
const MAX_IN_FLIGHT = 256
const CLOSED_LOOP = { name: '32x1', connections: 32, textsPerRequest: 1 }

/** A server and what is known about it so far. */
interface Search {
  readonly target: Target
  /** Texts a second under the closed loop. */
  readonly closedRate: number
  readonly trials: (Trial & { readonly p50: number; readonly p99: number })[]
}

/** The highest rate of single short texts at which 99 of 100 answers come in time, under an open loop. */
export async function measureOpen(context: BenchContext): Promise<PartResult> {
  const texts = context.workloads(HTTP_TEXTS)[0]?.texts ?? []
  const searches = await withRunning([() => startLoadClient(context.own.client())], ([client]) =>
    withRunning(targetStarts(context), (targets) =>
      searchRates(context, client as LoadClient, targets, texts),
    ),
  )
  const rows = searches.map(({ target, closedRate, trials }) => {
    const rate = bestRate(trials)
    const at = trials.find((trial) => trial.rate === rate)
    const numbers = [fixed(rate), fixed(at?.p50, 1), fixed(at?.p99, 1), fixed(closedRate)]
    return [target.name, ...numbers, percent(rate / closedRate)]
  })
  return {
    title: `Open loop: highest rate with p99 ≤ ${LIMIT_MS} ms`,
    method: `Single short texts arrive as a Poisson process and are sent whatever became of those before; latencies count from the time a text was due. A rate holds when the middle one of ${TRIES} tries of ${TRY_MS / 1000} s does; the search ends within ${percent(SEARCH.resolution - 1)}. The last columns are the throughput of 32 connections and the share of it that the rate reaches.`,
    tables: [
      {
        head: ['server', 'requests/s', 'p50 ms', 'p99 ms', 'closed loop', 'share'],
        words: 1,
        rows,
      },
    ],
    measurements: [],
    ratios: compareRates(context, searches),
    notes: [],
  }
}

/** One trial of each server in turn, until all searches have ended. */
async function searchRates(
  context: BenchContext,
  client: LoadClient,
  targets: readonly Target[],
  texts: readonly string[],
): Promise<readonly Search[]> {
  const searches: Search[] = []
  for (const target of targets) {
    context.say(`open loop: closed loop of ${target.name} first`)
    const { ms } = await client.runClosed(target.address, texts, CLOSED_LOOP)
    searches.push({ target, closedRate: (1000 * texts.length) / ms, trials: [] })
  }
  for (let progress = true; progress; ) {
    progress = false
    for (const { target, closedRate, trials } of searches) {
      const rate = nextRate(trials, { ...SEARCH, start: FIRST_SHARE * closedRate })
      if (rate === null) continue
      progress = true
      const found = await tryRate(client, target, texts, rate)
      trials.push(found)
      const verdict = found.held ? 'holds' : 'does not hold'
      context.say(
        `open loop: ${target.name}, ${fixed(rate)}/s ${verdict}, p99 ${fixed(found.p99, 1)} ms`,
      )
    }
  }
  return searches
}

async function tryRate(
  client: LoadClient,
  { address }: Target,
  texts: readonly string[],
  rate: number,
): Promise<Search['trials'][number]> {
  const p50: number[] = []
  const p99: number[] = []
  for (let seed = 1; seed <= TRIES; seed++) {
    const arrivals = poissonArrivals(rate, TRY_MS, seed)
    const { latenciesMs, refused, overrun } = await client.runOpen(
      address,
      texts,
      arrivals,
      MAX_IN_FLIGHT,
    )
    const failed = overrun || refused > 0
    p50.push(failed ? Number.POSITIVE_INFINITY : quantile(latenciesMs, 0.5))
    p99.push(failed ? Number.POSITIVE_INFINITY : quantile(latenciesMs, 0.99))
  }
  return { rate, held: median(p99) <= LIMIT_MS, p50: median(p50), p99: median(p99) }
}

/** Against the peers, and against the closed loop: a queue that is well kept reaches most of it. */
function compareRates({ own, servers }: BenchContext, searches: readonly Search[]): Ratio[] {
  const find = (name: string) => searches.find(({ target }) => target.name === name)
  return PRECISIONS.flatMap((precision) => {
    const ours = find(own.server({ precision }).name)
    if (!ours) return []
    const rate = bestRate(ours.trials)
    const single = (whom: string, value: number): Ratio => {
      return { key: `open.${precision}.${whom}`, value, spread: 0 }
    }
    return [
      ...servers.flatMap(({ peer, name }) => {
        const theirs = find(name)
        return theirs ? [single(peer, rate / bestRate(theirs.trials))] : []
      }),
      single('closed-loop', rate / ours.closedRate),
    ]
  })
}
