import type { EngineProcess } from './engine-process.ts'
import { cosine, median, spread } from './statistics.ts'
import type { Workload } from './workloads.ts'

/** What one engine did on one workload. */
export interface ThroughputRow {
  readonly engine: string
  readonly workload: string
  readonly textsPerSecond: number
  readonly tokensPerSecond: number
  readonly spread: number
  /** Median over passes of this engine's speed divided by the baseline's in the same pass. */
  readonly ratio: number
  /** Lowest cosine of the sampled vectors to the baseline's. */
  readonly minCosine: number
  readonly passesMs: readonly number[]
}

/**
 * Measures every engine on every workload, turn by turn within each pass, so that a slow moment of the machine
 * falls on all alike. The first engine is the baseline of ratios; one unmeasured pass warms up.
 */
export async function measureThroughput(
  engines: readonly EngineProcess[],
  workloads: readonly Workload[],
  passes: number,
  onPass: (text: string) => void,
): Promise<ThroughputRow[]> {
  const rows: ThroughputRow[] = []
  for (const workload of workloads) {
    const times = engines.map((): number[] => [])
    const samples: (readonly (readonly number[])[])[] = []
    let tokens: number | null = null
    for (let pass = 0; pass <= passes; pass++) {
      onPass(`${workload.name}: pass ${pass} of ${passes}`)
      // Engines swap places from pass to pass: none always runs after the same neighbour.
      const order = engines.map((_, i) => (i + pass) % engines.length)
      for (const i of order) {
        const reply = await (engines[i] as EngineProcess).encode(workload.texts)
        tokens ??= reply.tokens?.reduce((sum, count) => sum + count, 0) ?? null
        samples[i] = reply.sample
        if (pass > 0) times[i]?.push(reply.ms)
      }
    }
    for (const [i, engine] of engines.entries()) {
      const own = times[i] as number[]
      const seconds = median(own) / 1000
      rows.push({
        engine: engine.name,
        workload: workload.name,
        textsPerSecond: workload.texts.length / seconds,
        tokensPerSecond: (tokens ?? Number.NaN) / seconds,
        spread: spread(own),
        ratio: median(own.map((ms, pass) => (times[0]?.[pass] ?? Number.NaN) / ms)),
        minCosine: lowestCosine(samples[i] ?? [], samples[0] ?? []),
        passesMs: own,
      })
    }
  }
  return rows
}

function lowestCosine(
  found: readonly (readonly number[])[],
  baseline: readonly (readonly number[])[],
): number {
  return Math.min(...found.map((vector, i) => cosine(vector, baseline[i] ?? [])))
}
