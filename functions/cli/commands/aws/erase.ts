import type { Command } from 'commander'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { CommandContext } from '../../context.ts'
import { confirm } from '../../options/change-options.ts'
import { formatBytes, formatCount } from '../../output/number-format.ts'
import { type Erasure, findRows } from './find-rows.ts'

interface EraseOptions {
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

const RIGHTS = 's3:ListBucketVersions on the bucket and s3:DeleteObjectVersion on the objects'
const REMAINS =
  'versions that were trained from these rows keep what they learnt, vectors of rows included: see "espalier delete"'

/** `espalier aws erase s3://bucket/rows/tickets.csv` */
export function addAwsEraseCommand(group: Command, context: CommandContext): void {
  group
    .command('erase')
    .summary('erase rows on S3, with all versions of the objects')
    .description(
      'Delete an object, or a folder of objects, with all versions that the bucket keeps of them; of a model the ' +
        'objects that its version was trained and tested with, where they lay on S3. "espalier show" prints them. ' +
        `The role needs ${RIGHTS}.`,
    )
    .argument(
      '<rows>',
      'what to erase: s3://bucket/key, s3://bucket/folder/, or the rows of name@v7 or name@alias',
    )
    .option('--dry-run', 'print what would be erased, and erase nothing')
    .option('--yes', 'do it without being asked')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier aws erase s3://our-rows/rows/tickets.csv --dry-run
  espalier aws erase s3://our-rows/rows/2024/ --yes
  espalier aws erase tickets@v3 --dry-run`,
    )
    .action((rows: string, options: EraseOptions) => erase(context, rows, options))
}

async function erase(context: CommandContext, rows: string, options: EraseOptions): Promise<void> {
  const boot = await context.boot()
  const { findErasable } = await import('../../../../shared/aws/erase-objects.ts')
  const isModel = !rows.startsWith('s3://')
  const { model, erasures, unknown } = isModel
    ? await findRows(await boot.openRegistry(), rows, context.signal)
    : { model: null, unknown: [], erasures: [await namedPlace(rows)] }
  async function namedPlace(url: string): Promise<Erasure> {
    return { url, use: null, place: await findErasable(url, context.signal), note: null }
  }
  try {
    const found = erasures.filter(({ place }) => place.versions.length > 0)
    if (found.length === 0) {
      const gone = erasures.map(({ url }) => withoutQuery(url)).join(' and ')
      throw new EspalierError('invalid_request', `there is nothing at ${isModel ? gone : rows}`)
    }
    if (options.dryRun !== true) {
      const what = [...found.map(describe), ...found.flatMap(({ note }) => note ?? [])].join('; ')
      await confirm(
        context,
        `${what}: ${found.length > 1 ? 'all ' : ''}erased for good`,
        options.yes,
      )
      for (const { place } of found) await place.erase(context.signal)
    }
    await tell(context, { model, erasures: found, unknown }, options)
  } finally {
    for (const { place } of erasures) place.close()
  }
}

async function tell(
  { print }: CommandContext,
  result: {
    readonly model: string | null
    readonly erasures: readonly Erasure[]
    readonly unknown: readonly string[]
  },
  { dryRun = false, json }: EraseOptions,
): Promise<void> {
  const { model, erasures, unknown } = result
  if (json === true) {
    const places = erasures.map((each) => ({
      url: each.url,
      ...(each.use && { use: each.use }),
      ...count(each),
      note: each.note,
    }))
    const [only] = places
    // A place that was named has the fields that it always had.
    const { note: _, ...named } = only!
    const shown =
      model === null ? { erased: !dryRun, ...named } : { erased: !dryRun, model, places, unknown }
    return print(JSON.stringify(shown, null, 2))
  }
  for (const each of erasures) {
    await print(dryRun ? `would erase ${describe(each)}:` : `erased ${describe(each)}`)
    if (dryRun) for (const key of count(each).objects) await print(`  ${key}`)
    if (each.note !== null) await print(each.note)
  }
  for (const line of unknown) await print(line)
  await print(REMAINS)
}

function count({ place: { versions } }: Erasure) {
  return {
    objects: [...new Set(versions.map(({ key }) => key))],
    versions: versions.length,
    bytes: versions.reduce((sum, version) => sum + version.bytes, 0),
  }
}

function describe(erasure: Erasure): string {
  const { objects, versions, bytes } = count(erasure)
  const { url, use } = erasure
  const where = use === null ? `at ${url}` : `of ${use} rows at ${withoutQuery(url)}`
  return `${formatCount(objects.length, 'object')} ${where}, ${formatCount(versions, 'version')} (${formatBytes(bytes)})`
}

function withoutQuery(url: string): string {
  return url.split('?')[0]!
}
