import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { addAwsDoctorCommand } from './doctor/command.ts'
import { addAwsEraseCommand } from './erase.ts'
import { addAwsInitCommand } from './init.ts'
import { addAwsKeysCommand } from './keys.ts'

/** Adds one command of the group to it. */
type AddCommand = (group: Command, context: CommandContext) => void

const COMMANDS: readonly AddCommand[] = [
  addAwsInitCommand,
  addAwsDoctorCommand,
  addAwsKeysCommand,
  addAwsEraseCommand,
]

/** `espalier aws`: what a deployment to AWS needs, before and beside the CDK. */
export function addAwsCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('aws')
    .summary('prepare and look after a deployment to AWS')
    .description('Prepare a deployment to AWS, and look after its keys.')
  for (const add of COMMANDS) add(group, context)
}
