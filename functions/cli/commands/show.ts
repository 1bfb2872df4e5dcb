import type { Command } from 'commander'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { ModelCard } from '../../../shared/versions/model-card.ts'
import { readRowPlaces } from '../../../shared/versions/row-places.ts'
import type { CommandContext } from '../context.ts'
import { describeChange, formatShadow, formatTraffic } from '../output/describe-change.ts'
import { formatBytes, formatShare } from '../output/number-format.ts'
import { formatTable } from '../output/table.ts'

const MAX_HISTORY = 10

/** `espalier show intent@v3` */
export function addShowCommand(program: Command, context: CommandContext): void {
  program
    .command('show')
    .summary("show a version's card")
    .description(
      'Show what a version is, how it was made, how good it is, and what its names mean.',
    )
    .argument('<model>', 'name, name@alias or name@v7')
    .option('--json', 'print the card as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier show intent
  espalier show intent@v3 --json`,
    )
    .action(async (model: string, { json }: { json?: boolean }) => {
      const boot = await context.boot()
      const { readModelCard } = await import('../../../shared/versions/model-card.ts')
      const card = await readModelCard(await boot.openRegistry(), model, context.signal)
      await context.print(json === true ? JSON.stringify(card, null, 2) : formatCard(card))
    })
}

function formatCard(card: ModelCard): string {
  const { name, versions, version, via, state } = card
  const rows: string[][] = []
  const add = (title: string, value: unknown): void => {
    if (value !== undefined && value !== null && value !== '') rows.push([title, String(value)])
  }
  const { metadata, metrics = {}, lineage = {} } = version
  add('kind', version.kind)
  add('description', version.description)
  add('created', version.createdAt)
  add('by', version.createdBy)
  addEncoderFacts(card, add)
  add('labels', describeLabels(metadata))
  add('method', metadata.method)
  add('why', metadata.why)
  add('repeated', describeRepeated(metrics))
  add('accuracy', describeAccuracy(metrics))
  for (const key of ['macroF1', 'ece', 'crossValidatedAccuracy'] as const) {
    if (typeof metrics[key] === 'number') add(TITLES[key], formatShare(metrics[key]))
  }
  add('encoder', lineage.encoder)
  add('family', version.family)
  add('fingerprint', version.fingerprint)
  add('data sha256', lineage.dataHash)
  add('training rows', lineage.trainRows)
  for (const { use, url, versionId } of readRowPlaces(version) ?? []) {
    add(`${use} rows`, url && url.split('?')[0] + (versionId ? `, version ${versionId}` : ''))
  }
  add('seed', lineage.seed)
  add('command', lineage.command)
  add('size', formatBytes(version.files.reduce((sum, { bytes }) => sum + bytes, 0)))
  for (const { path, bytes, sha256 } of version.files) {
    add(path, `${formatBytes(bytes)}, sha256 ${sha256.slice(0, 16)}…`)
  }
  const aliases = Object.entries(state.aliases).map(([alias, number]) => `${alias}=v${number}`)
  add('aliases', aliases.join(' ') || 'none')
  if (state.traffic !== null) add('traffic', formatTraffic(state.traffic))
  if (state.shadow !== null) add('shadow', formatShadow(state.shadow))
  add('versions', versions.map((number) => `v${number}`).join(' '))
  const heading = formatModelVersion(version) + (via === 'newest' ? ' (not promoted yet)' : '')
  const source = version.origin === 'builtin' ? ', built in' : ''
  return [heading + source, formatTable(rows), ...formatHistory(name, state.history)].join('\n')
}

function addEncoderFacts(
  { encoder }: ModelCard,
  add: (title: string, value: unknown) => void,
): void {
  if (encoder === null) return
  const { architecture, dimension, maxTokens, pooling, precisions } = encoder
  add(
    'network',
    `${architecture}, ${dimension} dimensions, ${maxTokens} tokens, ${pooling} pooling`,
  )
  for (const precision of precisions) {
    const bytes = encoder.bytes[precision]
    const size = bytes === undefined ? '' : `${formatBytes(bytes)}, `
    add(precision, `${size}fingerprint ${encoder.fingerprints[precision]}`)
  }
  add('exported by', encoder.createdWith)
}

const TITLES = {
  macroF1: 'macro-F1',
  ece: 'ECE',
  crossValidatedAccuracy: 'cross-validated',
} as const

function describeLabels({ labelCount, labels }: ModelCard['version']['metadata']): string | null {
  if (typeof labelCount !== 'number') return null
  if (!Array.isArray(labels) || labels.length > 12) return String(labelCount)
  return `${labelCount}: ${labels.join(', ')}`
}

function describeAccuracy(metrics: Readonly<Record<string, unknown>>): string | null {
  const { accuracy, accuracyLow, accuracyHigh, testRows } = metrics
  if (typeof accuracy !== 'number') return null
  const interval =
    typeof accuracyLow === 'number' && typeof accuracyHigh === 'number'
      ? ` (95 % interval ${formatShare(accuracyLow)} to ${formatShare(accuracyHigh)})`
      : ''
  return `${formatShare(accuracy)}${interval}, ${testRows} test rows`
}

/** Of repeated cross-validation, where few rows were held out. */
function describeRepeated(metrics: Readonly<Record<string, unknown>>): string | null {
  const { repeatedAccuracy: value, repeatedAccuracyLow: low, repeatedAccuracyHigh: high } = metrics
  if (typeof value !== 'number' || typeof low !== 'number' || typeof high !== 'number') return null
  return `${formatShare(value)} (95 % interval ${formatShare(low)} to ${formatShare(high)}), cross-validation of all rows`
}

function formatHistory(name: string, history: ModelCard['state']['history']): string[] {
  if (history.length === 0) return []
  const lines = history
    .slice(-MAX_HISTORY)
    .toReversed()
    .map((change) => {
      const { at, action, by, reason } = change
      const what = action === 'delete' ? [`${name}@v${change.from}`] : describeChange(name, change)
      const whom = by === undefined ? '' : ` by ${by}`
      const why = reason === undefined ? '' : ` (${reason})`
      return `  ${at} ${action} ${what.join(', ')}${whom}${why}`
    })
  const left = history.length - lines.length
  return [
    '',
    `history of ${name}, latest first`,
    ...lines,
    ...(left > 0 ? [`  … ${left} more`] : []),
  ]
}
