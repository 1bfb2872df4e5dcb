import { randomUUID } from 'node:crypto'
import { EspalierError } from '../../shared/lib/errors.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import type { PublishModelResult } from '../../shared/versions/publish-model.ts'
import type { Boot } from '../boot/types.ts'
import type { CommandContext } from './context.ts'
import { describeOwnChange } from './output/describe-change.ts'
import { formatBytes, formatCount } from './output/number-format.ts'
import type { ProgressDisplay } from './output/progress.ts'

/** What a command may say about a publication. */
export interface PublicationFlags {
  readonly name?: string
  readonly idempotencyKey?: string
  readonly promote?: boolean
  readonly by?: string
  readonly reason?: string
}

/** The options of `espalier publish`. */
export interface PublishFlags extends PublicationFlags {
  readonly kind?: 'classifier' | 'embedding'
  readonly description?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Publishes a folder or file and says what became of it. */
export async function publishFolder(
  context: CommandContext,
  path: string,
  flags: PublishFlags,
): Promise<void> {
  checkPublication(flags)
  const display = context.progress(flags.quiet === true)
  try {
    const { result, lines } = await publishPath(context, await context.boot(), path, flags, display)
    display.stop()
    if (flags.json !== true) return await context.print(lines.join('\n'))
    const { version, created } = result
    const shown = { model: formatModelVersion(version), created, version, state: result.state }
    await context.print(JSON.stringify(shown, null, 2))
  } finally {
    display.stop()
  }
}

/** @throws EspalierError `invalid_request` for options that mean nothing together */
export function checkPublication({ promote, reason }: PublicationFlags): void {
  if (reason === undefined || promote === true) return
  throw new EspalierError('invalid_request', '--reason is for the history; it needs --promote')
}

/** Publishes what lies at a path; returns the result and the lines that tell it. */
export async function publishPath(
  { signal }: CommandContext,
  boot: Boot,
  path: string,
  flags: PublishFlags,
  display: ProgressDisplay,
): Promise<{ readonly result: PublishModelResult; readonly lines: readonly string[] }> {
  const { publishModel } = await import('../../shared/versions/publish-model.ts')
  const { name, kind, description, by, reason, idempotencyKey } = flags
  const changeId = randomUUID()
  const result = await publishModel(
    { registry: await boot.openRegistry(), builtinEncoders: () => boot.builtinEncoders() },
    {
      path,
      name,
      kind,
      description,
      by,
      reason,
      idempotencyKey,
      promote: flags.promote === true,
      changeId,
      onProgress: display.report,
      signal,
    },
  )
  return { result, lines: describeResult(result, flags, changeId) }
}

function describeResult(
  { version, created, state }: PublishModelResult,
  { promote }: PublishFlags,
  changeId: string,
): string[] {
  const model = formatModelVersion(version)
  const bytes = version.files.reduce((sum, file) => sum + file.bytes, 0)
  const what = version.kind === 'embedding' ? 'encoder' : 'classifier'
  const files = `${formatCount(version.files.length, 'file')}, ${formatBytes(bytes)}`
  const already = created ? '' : ' (published before under this key)'
  const lines = [`${model}: ${what}, ${files}${already}`]
  if (state !== null) {
    lines.push(describeOwnChange(state, changeId, `${version.name}@champion: v${version.version}`))
  } else if (promote === true) lines.push('promoted before under this key; what it means now stays')
  else lines.push(`Next: espalier promote ${model}`)
  return lines
}
