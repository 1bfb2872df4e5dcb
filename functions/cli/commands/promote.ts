import { type Command, InvalidArgumentError } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { CHAMPION, parseModelAddress } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import { addChangeOptions, type ChangeFlags, noteChange } from '../options/change-options.ts'
import { describeOwnChange } from '../output/describe-change.ts'

/** The alias means nothing yet. */
const NONE = 'none'

interface PromoteFlags extends ChangeFlags {
  readonly alias: string
  readonly ifCurrent?: number | typeof NONE
}

/** `espalier promote intent@v7` */
export function addPromoteCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('promote')
    .summary('make a version the champion')
    .description('Point an alias at a version. Running servers follow within their poll interval.')
    .argument('<model>', 'the version, as name@v7, or name@alias for what that means now')
    .option('--alias <alias>', 'the alias to move', CHAMPION)
    .option(
      '--if-current <version>',
      'only if the alias now means this version, as v6; none: only if it means nothing',
      parseCurrent,
    )
  addChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier promote intent@v7
  espalier promote intent@v8 --alias challenger
  espalier promote intent@v7 --if-current v6 --reason "fewer confusions of refund and return"`,
    )
    .action((model: string, flags: PromoteFlags) => promote(context, model, flags))
}

async function promote(
  context: CommandContext,
  model: string,
  { alias, ifCurrent, ...flags }: PromoteFlags,
): Promise<void> {
  const { name, selector } = parseModelAddress(model)
  if (selector.kind === 'default') {
    throw new EspalierError(
      'invalid_name',
      `say which version of ${name} to promote, such as ${name}@v2; "espalier show ${name}" lists them`,
    )
  }
  const registry = await (await context.boot()).openRegistry()
  const { version } = await registry.resolve(model, { signal: context.signal })
  const note = noteChange(flags, context.signal)
  const state = await registry.promote(name, version, {
    alias,
    ifCurrent: ifCurrent === NONE ? null : ifCurrent,
    ...note,
  })
  if (flags.json === true) return context.print(JSON.stringify(state, null, 2))
  await context.print(describeOwnChange(state, note.id, `${name}@${alias}: v${version}`))
}

/** The number of `v6`, or `none`; null would count as an option without a value. */
function parseCurrent(value: string): number | typeof NONE {
  if (value === NONE) return NONE
  const match = /^v?([1-9][0-9]{0,8})$/.exec(value)
  if (match) return Number(match[1])
  throw new InvalidArgumentError('It must be a version such as v6, or none.')
}
