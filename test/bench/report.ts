import type { ColdStart } from './cold-start.ts'
import { type HeadsRow, renderHeads } from './heads.ts'
import { type Machine, machineLine } from './machine.ts'
import type { ThroughputRow } from './throughput.ts'

/** Everything one run of the bench found; also the form of `--json`. */
export interface BenchReport {
  readonly machine: Machine
  readonly passes: number
  readonly engines: readonly {
    readonly name: string
    readonly detail: string
    readonly startMs: number
  }[]
  readonly workloads: readonly { readonly name: string; readonly source: string }[]
  readonly throughput: readonly ThroughputRow[]
  readonly heads: readonly HeadsRow[]
  readonly coldStart: readonly ColdStart[]
  readonly notes: readonly string[]
}

/** Beyond this spread, or on a machine this busy, ratios of medians say little. */
const MAX_SPREAD = 0.15
const MAX_LOAD_PER_CORE = 0.25

/** What makes a run unfit for quoting, in sentences. */
export function findDoubts(machine: Machine, throughput: readonly ThroughputRow[]): string[] {
  const doubts: string[] = []
  if (machine.load > MAX_LOAD_PER_CORE * machine.cores) {
    doubts.push(
      `the machine was busy before the first pass (load ${machine.load}): repeat when idle`,
    )
  }
  const wide = throughput.filter(({ spread }) => spread > MAX_SPREAD).length
  if (wide > 0) doubts.push(`${wide} of ${throughput.length} rows spread by more than 15 %`)
  return doubts
}

/** The report as Markdown. */
export function renderMarkdown(report: BenchReport): string {
  const { machine, engines, workloads, throughput, heads, coldStart, notes, passes } = report
  const lines = [`Machine: ${machineLine(machine)}`]
  if (throughput.length > 0) {
    const sources = workloads.map(({ name, source }) => `${name} (${source})`).join(', ')
    lines.push(
      '',
      '## Throughput, in process',
      '',
      `Medians of ${passes} interleaved passes; × is against ${engines[0]?.name} in the same passes; tokens are real ones. Workloads: ${sources}.`,
      '',
      '| engine | workload | texts/s | tokens/s | × | spread | min cosine |',
      '|---|---|---:|---:|---:|---:|---:|',
      ...throughput.map(throughputLine),
      '',
      '| engine | | start to first vector |',
      '|---|---|---:|',
      ...engines.map(({ name, detail, startMs }) => `| ${name} | ${detail} | ${ms(startMs)} |`),
    )
  }
  if (heads.length > 0) lines.push(...renderHeads(heads))
  if (coldStart.length > 0) {
    lines.push(
      '',
      '## Process start to first answer over HTTP, warm cache',
      '',
      '| precision | median | best | runs |',
      '|---|---:|---:|---:|',
      ...coldStart.map(
        ({ precision, medianMs, bestMs, runsMs }) =>
          `| ${precision} | ${ms(medianMs)} | ${ms(bestMs)} | ${runsMs.length} |`,
      ),
    )
  }
  if (notes.length > 0) lines.push('', ...notes.map((note) => `- ${note}`))
  return `${lines.join('\n')}\n`
}

function throughputLine(row: ThroughputRow): string {
  const cells = [
    row.engine,
    row.workload,
    row.textsPerSecond.toFixed(0),
    row.tokensPerSecond.toFixed(0),
    row.ratio.toFixed(2),
    `${(100 * row.spread).toFixed(0)} %`,
    row.minCosine.toFixed(5),
  ]
  return `| ${cells.join(' | ')} |`
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`
}
