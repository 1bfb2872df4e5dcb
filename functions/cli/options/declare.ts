import { type Command, Option } from 'commander'
import { EspalierError } from '../../../shared/lib/errors.ts'

/**
 * Adds an option that has to be given. It is checked when all others are known, so that a mistyped one is named, not
 * the one that is then missing.
 */
export function addRequired(command: Command, flags: string, description: string): Command {
  const option = new Option(flags, `${description} (required)`)
  return command.addOption(option).hook('preAction', () => {
    if (command.getOptionValue(option.attributeName()) !== undefined) return
    throw new EspalierError('invalid_request', `required option '${flags}' not specified`)
  })
}

/**
 * Adds an older name of an option that the command has: it works, and help does not show it.
 * @example addOldName(command, '--base <encoder>', 'encoder')
 */
export function addOldName(command: Command, flags: string, present: string): Command {
  const option = command.options.find(({ long }) => long === `--${present}`)
  if (option === undefined) throw new EspalierError('internal', `there is no option --${present}`)
  const old = new Option(flags).hideHelp()
  if (option.parseArg !== undefined) old.parseArg = option.parseArg
  const [key, oldKey] = [option.attributeName(), old.attributeName()]
  return command.addOption(old).hook('preAction', () => {
    const value: unknown = command.getOptionValue(oldKey)
    if (value === undefined) return
    if (command.getOptionValueSource(key) === 'cli') {
      throw new EspalierError('invalid_request', `pass ${option.long} or ${old.long}, not both`)
    }
    command.setOptionValue(key, value)
    command.setOptionValue(oldKey, undefined)
  })
}
