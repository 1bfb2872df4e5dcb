import type { Command } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'
import {
  CHAMPION,
  formatModelVersion,
  parseModelAddress,
} from '../../../shared/lib/model-address.ts'
import type { CommandContext } from '../context.ts'

interface RollbackFlags {
  readonly alias: string
  readonly reason?: string
  readonly json?: boolean
}

/** `espalier rollback intent` */
export function addRollbackCommand(program: Command, context: CommandContext): void {
  program
    .command('rollback')
    .summary('go back to the version before')
    .description(
      'Point an alias back at what it meant before its last promotion; again, at what it meant before that.',
    )
    .argument('<name>', 'the model')
    .option('--alias <alias>', 'the alias to move back', CHAMPION)
    .option('--reason <text>', 'why, for the history')
    .option('--json', 'print the new state as JSON')
    .addHelpText(
      'after',
      `
Examples:
  espalier rollback intent
  espalier rollback intent --reason "v7 confuses refund and return"`,
    )
    .action((model: string, flags: RollbackFlags) => rollback(context, model, flags))
}

async function rollback(
  context: CommandContext,
  model: string,
  { alias, reason, json }: RollbackFlags,
): Promise<void> {
  const { name, selector } = parseModelAddress(model)
  if (selector.kind !== 'default') {
    throw new EspalierError(
      'invalid_name',
      `rollback takes a name without "@": ${name}; --alias says which alias moves back`,
    )
  }
  const registry = await (await context.boot()).openRegistry()
  const state = await registry.rollback(name, { alias, reason, signal: context.signal })
  if (json === true) return context.print(JSON.stringify(state, null, 2))
  const version = state.aliases[alias]!
  const from = state.history.at(-1)?.from
  await context.print(
    `${name}@${alias} is ${formatModelVersion({ name, version })} again${from ? `, before v${from}` : ''}`,
  )
}
