import type { Command } from 'commander'
import type { ModelSummary } from '../../../shared/versions/list-models.ts'
import type { CommandContext } from '../context.ts'
import { formatTraffic } from '../output/describe-change.ts'
import { formatBytes } from '../output/number-format.ts'
import { formatTable } from '../output/table.ts'

/** `espalier models` */
export function addModelsCommand(program: Command, context: CommandContext): void {
  program
    .command('models')
    .summary('list encoders and classifiers')
    .description(
      'List the models of the registry and the built-in ones; sizes are of the newest versions.',
    )
    .option('--json', 'print a JSON array')
    .addHelpText(
      'after',
      `
Examples:
  espalier models
  espalier models --json`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const boot = await context.boot()
      const models = await boot.listModels()
      await context.print(json === true ? JSON.stringify(models, null, 2) : formatModels(models))
    })
}

function formatModels(models: readonly ModelSummary[]): string {
  if (models.length === 0) return 'no models'
  const heading = ['NAME', 'KIND', 'VERSIONS', 'ALIASES', 'TRAFFIC', 'OUTPUT', 'SIZE', 'SOURCE']
  const broken = models.flatMap(({ name, broken: why }) =>
    why === null ? [] : [`${name} is broken: ${why}`],
  )
  return [formatTable([heading, ...models.map(describeModel)]), ...broken].join('\n')
}

function describeModel(model: ModelSummary): string[] {
  const aliases = Object.entries(model.aliases).map(([alias, version]) => `${alias}=v${version}`)
  const output =
    model.kind === 'embedding'
      ? `${model.dimension ?? '?'} dimensions`
      : `${model.labels ?? '?'} labels`
  if (model.kind === null) return [model.name, 'broken', '-', '-', '-', '-', '-', model.source]
  return [
    model.name,
    model.broken === null ? model.kind : `${model.kind} (broken)`,
    formatVersions(model.versions),
    aliases.join(' ') || '-',
    describeTraffic(model),
    output,
    formatBytes(model.bytes),
    model.source,
  ]
}

/** `v7=90 v8=10 shadow v9`, or a dash where the champion answers alone. */
function describeTraffic({ traffic, shadow }: ModelSummary): string {
  const split = traffic === null ? [] : [formatTraffic(traffic)]
  const scored = shadow === null ? [] : [`shadow v${shadow.version}`]
  return [...split, ...scored].join(' ') || '-'
}

/** `v3`, or the first and last of several: `v1…v7 (6)`. */
function formatVersions(versions: readonly number[]): string {
  const [first] = versions
  if (first === undefined) return '-'
  return versions.length === 1 ? `v${first}` : `v${first}…v${versions.at(-1)} (${versions.length})`
}
