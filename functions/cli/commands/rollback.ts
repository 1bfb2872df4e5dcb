import type { Command } from 'commander'
import { CHAMPION } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import {
  addChangeOptions,
  type ChangeFlags,
  noteChange,
  parseBareName,
} from '../options/change-options.ts'
import { describeOwnChange } from '../output/describe-change.ts'

interface RollbackFlags extends ChangeFlags {
  readonly alias: string
}

/** `espalier rollback intent` */
export function addRollbackCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('rollback')
    .summary('go back to the version before')
    .description(
      'Point an alias back at what it meant before its last promotion; again, at what it meant before that.',
    )
    .argument('<name>', 'the model')
    .option('--alias <alias>', 'the alias to move back', CHAMPION)
  addChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  espalier rollback intent
  espalier rollback intent --reason "v7 confuses refund and return"`,
    )
    .action(async (model: string, { alias, ...flags }: RollbackFlags) => {
      const name = parseBareName(model, 'rollback', '--alias says which alias moves back')
      const registry = await (await context.boot()).openRegistry()
      const note = noteChange(flags, context.signal)
      const state = await registry.rollback(name, { alias, ...note })
      if (flags.json === true) return context.print(JSON.stringify(state, null, 2))
      await context.print(describeOwnChange(state, note.id, `${name}@${alias}`))
    })
}
