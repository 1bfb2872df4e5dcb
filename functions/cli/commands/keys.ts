import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  createKey,
  describeKey,
  isKeyName,
  KEY_SCOPES,
  type KeyScope,
} from '../../../shared/lib/api-keys.ts'
import type { CommandContext } from '../context.ts'
import { listOf } from '../options/parsers.ts'

interface CreateOptions {
  readonly name: string
  readonly scope: KeyScope[]
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  espalier keys create --name website
  espalier keys create --name deployment --scope train,admin
  ESPALIER_API_KEYS=website:infer:9f86d0… HOST=0.0.0.0 espalier serve
  espalier keys create --name website --json | jq -r .line >> keys.txt   # ESPALIER_API_KEYS_FILE=keys.txt`

/** `espalier keys create` */
export function addKeysCommand(program: Command, context: CommandContext): void {
  program
    .command('keys')
    .summary('make API keys')
    .description('Make keys for callers of a server. A server knows them by their sha256 alone.')
    .addHelpText('after', EXAMPLES)
    .command('create')
    .summary('make a key and print it, once')
    .description(
      'Print a new random key for the caller, and the line that a server needs to know it by. The key is kept nowhere.',
    )
    .addOption(scopeOption())
    .option('--name <name>', 'who has it, as logs name it', keyName, 'default')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(({ name, scope, json }: CreateOptions) => printKey(context, name, scope, json === true))
}

async function printKey(
  context: CommandContext,
  name: string,
  scopes: readonly KeyScope[],
  json: boolean,
): Promise<void> {
  const key = createKey()
  const line = describeKey(name, scopes, key)
  if (json) return context.print(JSON.stringify({ name, scopes, key, line }, null, 2))
  await context.print(`key, for the caller; it is not shown again:\n  ${key}`)
  await context.print(`line, for ESPALIER_API_KEYS or its file:\n  ${line}`)
}

/** `--scope infer,admin` */
export function scopeOption(): Option {
  const scopes = KEY_SCOPES.join(', ')
  return new Option('--scope <list>', `what it is for: ${scopes}, separated by commas`)
    .argParser(listOf(KEY_SCOPES))
    .default(['infer'], 'infer')
}

/** The name of a key, for an option's argument. */
export function keyName(value: string): string {
  if (isKeyName(value)) return value
  throw new InvalidArgumentError('It must be letters, digits and . _ - of at most 63 characters.')
}
