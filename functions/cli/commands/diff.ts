import type { Command } from 'commander'
import type { VersionDiff } from '../../../shared/versions/diff-versions.ts'
import type { CommandContext } from '../context.ts'
import { parseBareName } from '../options/change-options.ts'
import { formatTable } from '../output/table.ts'

const MAX_LABELS = 20
/** Shares; all other metrics are plain numbers. */
const SHARES = /^(?:accuracy|macroF1|ece|crossValidatedAccuracy)/

/** `espalier diff intent v6 v7` */
export function addDiffCommand(program: Command, context: CommandContext): void {
  program
    .command('diff')
    .summary('compare two versions')
    .description(
      'Put two versions of a model side by side: metrics with their differences, labels, and how they were made.',
    )
    .argument('<name>', 'the model')
    .argument('<before>', 'a version or an alias, such as v6')
    .argument('<after>', 'another, such as v7')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier diff intent v6 v7
  espalier diff intent champion challenger --json`,
    )
    .action(async (model: string, before: string, after: string, { json }: { json?: boolean }) => {
      const name = parseBareName(model, 'diff', 'give the versions after it: v6 v7')
      const registry = await (await context.boot()).openRegistry()
      const { diffVersions } = await import('../../../shared/versions/diff-versions.ts')
      const { signal } = context
      const diff = await diffVersions(registry, { name, before, after, signal })
      await context.print(json === true ? JSON.stringify(diff, null, 2) : formatDiff(diff))
    })
}

function formatDiff({ name, before, after, metrics, facts, labels }: VersionDiff): string {
  const columns = [`v${before.version}`, `v${after.version}`]
  const blocks = [`${name}: ${columns.join(' → ')}`]
  if (metrics.length > 0) {
    const rows = metrics.map(({ metric, before, after, delta }) => [
      metric,
      formatMetric(metric, before),
      formatMetric(metric, after),
      formatDelta(metric, delta),
    ])
    blocks.push(formatTable([['METRIC', ...columns, 'DIFFERENCE'], ...rows]))
  }
  if (labels !== null) {
    const lines = [
      `labels: ${labels.kept} kept, ${labels.added.length} added, ${labels.removed.length} removed`,
      ...listLabels('+', labels.added),
      ...listLabels('-', labels.removed),
    ]
    blocks.push(lines.join('\n'))
  }
  const rows = facts.map(({ fact, before, after }) => [fact, before ?? '–', after ?? '–'])
  if (rows.length > 0) blocks.push(formatTable([['DIFFERS', ...columns], ...rows]))
  return blocks.join('\n\n')
}

function formatMetric(metric: string, value: number | null): string {
  if (value === null) return '–'
  if (SHARES.test(metric)) return `${(value * 100).toFixed(1)} %`
  return Number.isInteger(value) ? String(value) : value.toFixed(4)
}

function formatDelta(metric: string, delta: number | null): string {
  if (delta === null) return '–'
  const sign = delta > 0 ? '+' : ''
  if (SHARES.test(metric)) return `${sign}${(delta * 100).toFixed(1)} points`
  return `${sign}${Number.isInteger(delta) ? delta : delta.toFixed(4)}`
}

function listLabels(sign: string, labels: readonly string[]): string[] {
  const lines = labels.slice(0, MAX_LABELS).map((label) => `  ${sign} ${label}`)
  const left = labels.length - lines.length
  return left > 0 ? [...lines, `  ${sign} … ${left} more`] : lines
}
