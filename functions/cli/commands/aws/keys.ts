import { type Command, Option } from 'commander'
import type { SecretAddress } from '../../../../shared/aws/address.ts'
import type { Secret } from '../../../../shared/aws/open-secret.ts'
import { DEPLOYMENT_FILE } from '../../../../shared/deployment/deployment-file.ts'
import { createKey, describeKey, type KeyScope } from '../../../../shared/lib/api-keys.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import {
  addKeyLine,
  readKeyLines,
  removeKeyLine,
  requireKeyLine,
} from '../../../../shared/lib/key-lines.ts'
import type { CommandContext } from '../../context.ts'
import { formatTable } from '../../output/table.ts'
import { keyName, scopeOption } from '../keys.ts'
import { findKeyPlace, type KeyPlace, type KeyPlaceOptions, noteKeyPlace } from './key-place.ts'

interface PlaceOptions extends KeyPlaceOptions {
  readonly json?: boolean
}

interface CreateOptions extends PlaceOptions {
  readonly name: string
  readonly scope: KeyScope[]
}

const DESCRIPTION = 'API keys of Espalier: one a line, as sha256, with their scopes'
const WITHIN = 'servers that read it (ESPALIER_API_KEYS_FROM) follow within a minute'

const EXAMPLES = `
Examples:
  espalier aws keys create --name website
  espalier aws keys create --name website --environment staging
  espalier aws keys create --name dashboard --scope infer,admin --secret team/keys
  espalier aws keys list
  espalier aws keys revoke website`

/** `espalier aws keys create|list|revoke` */
export function addAwsKeysCommand(group: Command, context: CommandContext): void {
  const keys = group
    .command('keys')
    .summary('make, list and revoke the API keys of a deployment')
    .description(
      'Look after the API keys in a secret of AWS. Servers know keys by their sha256 alone, and follow within a minute.',
    )
    .addHelpText('after', EXAMPLES)
  const create = keys
    .command('create')
    .summary('make a key, add it to the secret and print it, once')
    .description(
      'Make a key and add its line to the secret of the deployment; the first key makes the secret. The key is kept nowhere.',
    )
    .requiredOption('--name <name>', 'who has it, as logs name it', keyName)
    .addOption(scopeOption())
  addPlaceOptions(create).action((options: CreateOptions) => createOne(context, options))
  addPlaceOptions(
    keys
      .command('list')
      .summary('list the keys of the secret')
      .description('List the names and scopes of the keys in the secret.'),
  ).action((options: PlaceOptions) => listAll(context, options))
  addPlaceOptions(
    keys
      .command('revoke')
      .summary('take a key out of the secret')
      .description('Take a key out of the secret. Servers refuse it a minute later at the latest.')
      .argument('<name>', 'the name that the key was made with', keyName),
  ).action((name: string, options: PlaceOptions) => revokeOne(context, name, options))
}

function addPlaceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--secret <id>', 'name or ARN of a secret of Secrets Manager').conflicts(
        'parameter',
      ),
    )
    .option('--parameter <name>', 'name or ARN of a parameter of SSM')
    .option('--region <region>', 'region of AWS')
    .option('--file <file>', `the deployment file; ${DEPLOYMENT_FILE} where it is there`)
    .option('--environment <name>', 'which environment of it')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
}

async function createOne(
  context: CommandContext,
  { name, scope, ...options }: CreateOptions,
): Promise<void> {
  const key = createKey()
  const line = describeKey(name, scope, key)
  const place = findKeyPlace(options)
  const { arn, created } = await withSecret(context, place, (secret, { id }) =>
    secret.change((text) => addKeyLine(text, line, id)),
  )
  // From now on the key is there: it is printed before anything else can fail.
  if (options.json) {
    await context.print(JSON.stringify({ name, scopes: scope, key, secret: arn, created }, null, 2))
    if (place.deployment) await noteKeyPlace(place.deployment, arn)
    return
  }
  await context.print(`key, for the caller; it is not shown again:\n  ${key}`)
  await context.print(`${created ? 'made the secret' : 'added to'} ${arn}; ${WITHIN}`)
  if (place.deployment) {
    for (const note of await noteKeyPlace(place.deployment, arn)) await context.print(note)
  }
  await context.print(`to use it, with the URL of the deployment:\n${describeUse(scope)}`)
}

function describeUse(scopes: readonly KeyScope[]): string {
  const call = scopes.includes('infer')
    ? `/v1/embeddings -H "authorization: Bearer $KEY" -H 'content-type: application/json' -d '{"model": "all-minilm-l6-v2", "input": "a cat"}'`
    : '/info -H "authorization: Bearer $KEY"'
  return [
    `  curl -s "$URL"${call}`,
    ...(scopes.includes('infer')
      ? ["  new OpenAI({ baseURL: process.env.URL + '/v1', apiKey: process.env.KEY })"]
      : []),
  ].join('\n')
}

async function listAll(context: CommandContext, options: PlaceOptions): Promise<void> {
  const { arn, keys } = await withSecret(context, findKeyPlace(options), async (secret, { id }) => {
    const { arn, text } = (await secret.read()) ?? missing(id)
    return { arn, keys: readKeyLines(text, id) }
  })
  const rows = keys.map(({ name, scopes }) => ({ name, scopes: [...scopes] }))
  if (options.json) return context.print(JSON.stringify({ secret: arn, keys: rows }, null, 2))
  if (rows.length === 0) return context.print(`${arn} has no keys`)
  await context.print(
    formatTable([['NAME', 'SCOPES'], ...rows.map(({ name, scopes }) => [name, scopes.join(', ')])]),
  )
}

async function revokeOne(
  context: CommandContext,
  name: string,
  options: PlaceOptions,
): Promise<void> {
  const { arn } = await withSecret(context, findKeyPlace(options), async (secret, { id }) => {
    requireKeyLine((await secret.read())?.text ?? missing(id), name)
    return secret.change((text) => removeKeyLine(text ?? missing(id), name))
  })
  if (options.json) return context.print(JSON.stringify({ name, secret: arn }, null, 2))
  await context.print(`revoked ${name} in ${arn}; ${WITHIN}`)
}

async function withSecret<T>(
  context: CommandContext,
  { address }: KeyPlace,
  work: (secret: Secret, address: SecretAddress) => Promise<T>,
): Promise<T> {
  const opened = await (await context.boot()).openSecret(address, { description: DESCRIPTION })
  try {
    return await work(opened, address)
  } finally {
    opened.close()
  }
}

/** @throws EspalierError `invalid_request` */
function missing(id: string): never {
  const fix = '"espalier aws keys create" makes it with the first key'
  throw new EspalierError('invalid_request', `there is no ${id}: ${fix}`)
}
