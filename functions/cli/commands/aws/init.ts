import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { DEPLOYMENT_FILE, listEnvironments } from '../../../../shared/deployment/deployment-file.ts'
import {
  addEnvironmentText,
  createDeploymentText,
  type GivenValues,
} from '../../../../shared/deployment/new-file.ts'
import { SETTINGS, type SettingKey } from '../../../../shared/deployment/settings.ts'
import { writeDeploymentFile } from '../../../../shared/deployment/update-file.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { nearestName } from '../../../../shared/lib/text/nearest.ts'
import type { CommandContext } from '../../context.ts'

interface InitOptions {
  readonly context: GivenValues
  readonly region?: string
  readonly name?: string
  readonly stacks?: string
  readonly email?: string
  readonly environment?: string
  readonly file: string
  readonly adopt?: boolean
  readonly force?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  espalier aws init --region eu-west-1 --email ops@example.com
  espalier aws init --region eu-west-1 -c cpu.iam=true -c cpu.memory=3008
  espalier aws init --region eu-west-1 --environment production
  espalier aws init --region us-east-1 --environment us        # adds one to the file
  espalier aws init --adopt --region eu-west-1 --stacks store,cpu,train,ops`

/** `espalier aws init` */
export function addAwsInitCommand(group: Command, context: CommandContext): void {
  group
    .command('init')
    .summary('write the deployment file')
    .description(
      `Write ${DEPLOYMENT_FILE}, which deploy, diff and destroy read. Its defaults fit a new account. ` +
        'With --environment, a file that is there gets one more environment; nothing else in it changes.',
    )
    .option('--region <region>', 'region of AWS; else AWS_REGION or AWS_DEFAULT_REGION')
    .option('--name <name>', 'prefix of the stacks')
    .option('--stacks <list>', 'stacks, with commas between them')
    .option('--email <address>', 'whom alarms tell')
    .option(
      '-c, --context <key=value>',
      'any other setting, as "cdk deploy -c" takes it; repeat it for several',
      addValue,
      {},
    )
    .option('--environment <name>', 'environment that these values are of')
    .option('--file <path>', 'file to write', DEPLOYMENT_FILE)
    .option('--adopt', 'describe what an earlier version has deployed, so that nothing changes')
    .option('--force', 'write over a file')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action((options: InitOptions) => init(context, options))
}

async function init(context: CommandContext, options: InitOptions): Promise<void> {
  const { file, environment = null, adopt = false, force = false, json } = options
  const given = readGiven(options)
  const existing = force ? null : await readExisting(file)
  let text: string
  if (existing === null) {
    text = createDeploymentText(file, { given, environment, adopt })
  } else if (environment === null || listEnvironments(file, existing).includes(environment)) {
    const what = environment === null ? 'is there already' : `has ${environment} already`
    const fix = 'add an environment with --environment, or write over it with --force'
    throw new EspalierError('invalid_request', `${file} ${what}; ${fix}`, { param: '--file' })
  } else {
    text = addEnvironmentText(file, existing, environment, given)
  }
  await writeDeploymentFile(file, text)
  const more = environment === null ? '' : ` --environment ${environment}`
  const next = [
    `espalier aws doctor${more}`,
    ...(hasAccess(text) ? [] : [`espalier aws keys create --name website${more}`]),
    `npm run deploy${environment === null ? '' : ` -- -c environment=${environment}`}`,
  ]
  if (json === true) return context.print(JSON.stringify({ file, environment, next }, null, 2))
  await context.print(`${existing === null ? 'written' : 'changed'}: ${file}`)
  await context.print(`next:\n${next.map((line) => `  ${line}`).join('\n')}`)
}

function readGiven({ context, region, name, stacks, email }: InitOptions): GivenValues {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env
  const known = region || AWS_REGION || AWS_DEFAULT_REGION
  const given = {
    ...(known && { region: known }),
    ...(name && { name }),
    ...(stacks && { stacks }),
    ...context,
    ...(email && { 'alarms.email': email }),
  }
  if (given.region) return given
  const message = 'there is no region: give one with --region, such as eu-west-1'
  throw new EspalierError('invalid_request', message, { param: '--region' })
}

async function readExisting(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    const place = { source: path }
    throw new EspalierError('invalid_config', `it cannot be read: ${code}`, { place, cause })
  }
}

/** Whether something says who may call, so that no key is needed. */
function hasAccess(text: string): boolean {
  return /"(?:iam|open)": true|"(?:issuer|keys)":/.test(text)
}

function addValue(pair: string, values: GivenValues): GivenValues {
  const [, key, value] = /^([A-Za-z][A-Za-z.]*)=(.+)$/s.exec(pair) ?? []
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError('It must be key=value.')
  }
  const keys = SETTINGS.filter((row) => !('ofCommand' in row)).map((row) => row.key)
  if (keys.some((each) => each === key)) return { ...values, [key as SettingKey]: value }
  const nearest = nearestName(key, keys)
  throw new InvalidArgumentError(
    nearest === null ? `${key} is no setting.` : `${key} is no setting; did you mean ${nearest}?`,
  )
}
