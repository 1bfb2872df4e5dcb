import { join } from 'node:path'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { TransferResult } from '../../../../shared/versions/transfer-models.ts'
import type { CommandContext } from '../../context.ts'
import { formatVersion } from '../../output/describe-change.ts'
import { formatCount } from '../../output/number-format.ts'

/** The options of `espalier pull` and `espalier push`. */
export interface TransferFlags {
  readonly all?: boolean
  readonly from?: string
  readonly to?: string
  readonly keepVersions?: boolean
  readonly aliases?: boolean
  readonly by?: string
  readonly reason?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Copies versions between two registries, of which one may be the configured one. */
export async function transfer(
  context: CommandContext,
  verb: 'pull' | 'push',
  address: string | undefined,
  flags: TransferFlags,
): Promise<void> {
  checkFlags(verb, address, flags)
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(flags.quiet === true)
  const opened: { close(): Promise<void> }[] = []
  const open = async (url: string | undefined) => {
    if (url === undefined) return boot.openRegistry()
    const registry = await boot.openRegistryAt(url)
    opened.push(registry)
    return registry
  }
  try {
    const source = await open(flags.from)
    const target = await open(flags.to)
    if (source.url === target.url) {
      throw new EspalierError('invalid_request', `--from and --to are the same: ${source.url}`)
    }
    const { transferModels } = await import('../../../../shared/versions/transfer-models.ts')
    const { all = false, keepVersions = false, aliases = false, by, reason } = flags
    const result = await transferModels({
      source,
      target,
      address,
      all,
      keepVersions,
      aliases,
      by,
      reason,
      scratch: join(boot.cacheFolder, 'transfers'),
      onProgress: display.report,
      signal,
    })
    display.stop()
    if (flags.json === true) return await context.print(JSON.stringify(result, null, 2))
    await context.print(formatResult(result, target.url))
  } finally {
    display.stop()
    for (const registry of opened) await registry.close()
  }
}

function checkFlags(
  verb: 'pull' | 'push',
  address: string | undefined,
  { all, from, to, aliases, by, reason }: TransferFlags,
): void {
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  if (address === undefined && all !== true) fail(`name a model to ${verb}, or pass --all`)
  if (from === undefined && to === undefined) {
    fail(
      verb === 'pull'
        ? '--from is missing: where to copy from'
        : '--to is missing: where to copy to',
    )
  }
  if (aliases !== true && (by !== undefined || reason !== undefined)) {
    fail('--by and --reason are for the history of aliases; they need --aliases')
  }
}

const WORDS = {
  copied: '',
  present: ' (there already)',
  deleted: ' (deleted there, so it is not brought back)',
} as const

function formatResult({ versions, aliases }: TransferResult, url: string): string {
  const copied = versions.filter(({ status }) => status === 'copied').length
  const lines = versions.map(
    ({ name, from, to, status }) => `${name}@v${from} → ${name}@v${to}${WORDS[status]}`,
  )
  for (const { name, alias, from, to } of aliases) {
    lines.push(`${name}@${alias}: ${formatVersion(from)} → ${formatVersion(to)}`)
  }
  return [...lines, `${formatCount(copied, 'version')} copied to ${url}`].join('\n')
}
