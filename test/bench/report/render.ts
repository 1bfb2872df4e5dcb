import { type Machine, machineLine, wasBusy } from '../lib/machine.ts'
import { spread } from '../lib/statistics.ts'
import { type FloorResult, floorTable } from './check.ts'
import type { PartResult, Ratio } from './part-result.ts'
import { fixed, percent, renderTable } from './table.ts'

/** Everything one run of the bench found; also the form of `--json`. */
export interface BenchReport {
  readonly date: string
  readonly machine: Machine
  readonly passes: number
  readonly parts: readonly PartResult[]
  readonly floors: readonly FloorResult[]
  readonly notes: readonly string[]
}

/** Beyond this spread medians of passes say little. */
const MAX_SPREAD = 0.15

/** What makes a run unfit for quoting, in sentences. */
export function findDoubts(machine: Machine, parts: readonly PartResult[]): string[] {
  const doubts: string[] = []
  if (wasBusy(machine)) {
    doubts.push(
      `the machine was busy before the first pass (load ${machine.load}): repeat when idle`,
    )
  }
  const measured = parts.flatMap(({ measurements }) => measurements)
  const wide = measured.filter(({ passes }) => spread(passes) > MAX_SPREAD)
  if (wide.length > 0) {
    doubts.push(`${wide.length} of ${measured.length} measurements spread by more than 15 %`)
  }
  const unsure = parts.flatMap(({ ratios }) => ratios).filter((ratio) => ratio.spread > MAX_SPREAD)
  if (unsure.length > 0) {
    const keys = unsure.map(({ key, spread: width }) => `\`${key}\` ${percent(width)}`)
    doubts.push(`ratios that spread by more than 15 %: ${keys.join(', ')}`)
  }
  return doubts
}

/** The report as Markdown. */
export function renderMarkdown(report: BenchReport): string {
  const { date, machine, passes, parts, floors, notes } = report
  const lines = [
    `${date}. ${machineLine(machine)}. Medians of ${passes} interleaved passes.`,
    ...parts.flatMap(renderPart),
    ...renderRatios(
      parts.flatMap(({ ratios }) => ratios),
      floors,
    ),
  ]
  if (notes.length > 0) {
    lines.push('', '### Notes and doubts', '', ...notes.map((note) => `- ${note}`))
  }
  return `${lines.join('\n')}\n`
}

/** The table of floors alone, for `--check`. */
export function renderCheck(floors: readonly FloorResult[]): string {
  return `${renderTable(floorTable(floors)).join('\n')}\n`
}

function renderPart({ title, method, tables }: PartResult): string[] {
  return ['', `### ${title}`, '', method, ...tables.flatMap((table) => ['', ...renderTable(table)])]
}

function renderRatios(ratios: readonly Ratio[], floors: readonly FloorResult[]): string[] {
  if (ratios.length === 0) return []
  const rows = ratios.map(({ key, value, spread: width }) => {
    const known = floors.find((floor) => floor.key === key)
    return [
      `\`${key}\``,
      fixed(value, 2),
      percent(width),
      fixed(known?.floor, 2),
      fixed(known?.target, 2),
    ]
  })
  const head = ['ratio', 'median', 'spread', 'floor', 'target']
  return [
    '',
    '### Ratios',
    '',
    'Medians over passes of the quotients within a pass; larger is better.',
    '',
    ...renderTable({ head, words: 1, rows }),
  ]
}
