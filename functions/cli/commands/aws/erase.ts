import type { Command } from 'commander'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { CommandContext } from '../../context.ts'
import { confirm } from '../../options/change-options.ts'
import { formatBytes, formatCount } from '../../output/number-format.ts'

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
      'Delete an object, or a folder of objects, with all versions that the bucket keeps of them. The command line ' +
        'that "espalier show" prints of a model says which rows it was trained from. The role needs ' +
        `${RIGHTS}.`,
    )
    .argument('<url>', 'what to erase, as s3://bucket/key or s3://bucket/folder/')
    .option('--dry-run', 'print what would be erased, and erase nothing')
    .option('--yes', 'do it without being asked')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier aws erase s3://our-rows/rows/tickets.csv --dry-run
  espalier aws erase s3://our-rows/rows/2024/ --yes`,
    )
    .action((url: string, options: EraseOptions) => eraseAt(context, url, options))
}

async function eraseAt(
  context: CommandContext,
  url: string,
  { dryRun = false, yes, json }: EraseOptions,
): Promise<void> {
  const { signal, print } = context
  await context.boot()
  const { findErasable } = await import('../../../../shared/aws/erase-objects.ts')
  const place = await findErasable(url, signal)
  try {
    const { versions } = place
    const keys = new Set(versions.map(({ key }) => key))
    const bytes = versions.reduce((sum, version) => sum + version.bytes, 0)
    if (keys.size === 0) throw new EspalierError('invalid_request', `there is nothing at ${url}`)
    const what = `${formatCount(keys.size, 'object')} at ${url}, ${formatCount(versions.length, 'version')} (${formatBytes(bytes)})`
    if (!dryRun) {
      await confirm(context, `${what} are erased for good`, yes)
      await place.erase(signal)
    }
    if (json) {
      const result = { url, erased: !dryRun, objects: [...keys], versions: versions.length, bytes }
      return await print(JSON.stringify(result, null, 2))
    }
    await print(dryRun ? `would erase ${what}:` : `erased ${what}`)
    if (dryRun) for (const key of keys) await print(`  ${key}`)
    await print(REMAINS)
  } finally {
    place.close()
  }
}
