import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { CHAMPION, parseModelAddress } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import {
  addChangeOptions,
  type ChangeFlags,
  confirm,
  noteChange,
} from '../options/change-options.ts'
import { describeOwnChange } from '../output/describe-change.ts'

interface RemoveFlags extends ChangeFlags {
  readonly yes?: boolean
}

/** `espalier alias rm intent@challenger` */
export function addAliasCommand(program: Command, context: CommandContext): void {
  const alias = program
    .command('alias')
    .summary('take an alias away')
    .description('Take an alias away; "espalier promote" sets and moves them.')
    .addHelpText(
      'after',
      `
Examples:
  espalier alias rm intent@challenger`,
    )
  const command = alias
    .command('rm')
    .summary('take an alias away, so that its version can be deleted')
    .description('Take an alias away, so that its version can be deleted.')
    .argument('<model>', 'the alias, as name@challenger')
    .option('--yes', 'take the champion away without being asked')
  addChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier alias rm intent@challenger
  espalier alias rm intent@champion --yes`,
    )
    .action((model: string, flags: RemoveFlags) => removeAlias(context, model, flags))
}

async function removeAlias(
  context: CommandContext,
  model: string,
  { yes, ...flags }: RemoveFlags,
): Promise<void> {
  const { name, selector } = parseModelAddress(model)
  if (selector.kind !== 'alias') {
    throw new EspalierError('invalid_name', `say which alias of ${name}, as ${name}@challenger`)
  }
  const registry = await (await context.boot()).openRegistry()
  if (selector.alias === CHAMPION) {
    await confirm(context, `without its champion nobody can call ${name} by its bare name`, yes)
  }
  const note = noteChange(flags, context.signal)
  const state = await registry.removeAlias(name, selector.alias, note)
  if (flags.json === true) return context.print(JSON.stringify(state, null, 2))
  await context.print(describeOwnChange(state, note.id, `${name}@${selector.alias}: none`))
}
