import { existsSync, readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { changeJson } from '../../../../shared/deployment/change-json.ts'
import {
  DEPLOYMENT_FILE,
  listEnvironments,
  parseDeployment,
} from '../../../../shared/deployment/deployment-file.ts'
import {
  ACCESSES,
  type Access,
  adoptDeployment,
  type DeploymentValues,
  nestValues,
  saysAccess,
  startDeployment,
} from '../../../../shared/deployment/new-deployment.ts'
import {
  describeOtherPartition,
  otherPartitionOf,
} from '../../../../shared/deployment/partitions.ts'
import { stacksOf } from '../../../../shared/deployment/settings.ts'
import { writeDeploymentFile } from '../../../../shared/deployment/update-file.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { CommandContext } from '../../context.ts'
import { addSettingOption, readSettings, type SettingOptions } from './deployment-settings.ts'

interface InitOptions extends SettingOptions {
  readonly access?: Access
  readonly region?: string
  readonly name?: string
  readonly stacks?: string
  readonly email?: string
  readonly environment?: string
  readonly adopt?: boolean
  readonly force?: boolean
  readonly file: string
  readonly json?: boolean
}

/** What the deployment of a file without environments is called when a second one comes. */
const FIRST = 'production'

const EXAMPLES = `
Examples:
  espalier aws init --region eu-west-1 --email ops@example.com
  espalier aws init --access jwt -c cpu.jwt.issuer=https://issuer.example.com -c cpu.jwt.audience=espalier
  espalier aws init --environment staging --region eu-west-1      # beside the deployment that the file has
  espalier aws init --adopt -c region=eu-west-1 -c stacks=store,cpu,train,ops   # deployed by these values before
  espalier aws init --stacks store,cpu,gpu,ops -c gpu.domain=models.example.com -c gpu.certificate=arn:aws:acm:…`

/** `espalier aws init` */
export function addAwsInitCommand(group: Command, context: CommandContext): void {
  const command = group
    .command('init')
    .summary('write the deployment file')
    .description(
      `Write ${DEPLOYMENT_FILE}, which deploy, diff and destroy read alike. Its values fit a new account of AWS.`,
    )
    .addOption(new Option('--access <way>', 'how callers are known').choices(ACCESSES))
    .option('--region <region>', 'region of AWS (default: that of AWS_REGION)')
    .option('--stacks <list>', 'stacks to deploy (default: store,cpu,ops)')
    .option('--name <name>', 'prefix of the stacks (default: Espalier)')
    .option('--email <address>', 'whom alarms tell')
  addSettingOption(command)
    .option('--environment <name>', 'write it as this environment, beside those in the file')
    .option('--adopt', 'write the values that an earlier version used where none is given')
    .option('--force', 'write over the file or the environment that is there')
    .option('--file <file>', 'the file to write', DEPLOYMENT_FILE)
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action((options: InitOptions) => init(context, options))
}

async function init(context: CommandContext, options: InitOptions): Promise<void> {
  const { file, environment, json } = options
  const before = existsSync(file) ? readFileSync(file, 'utf8') : null
  if (before !== null && environment === undefined && !options.force) {
    throw refusal(
      `${file} is there already; add another deployment with --environment NAME, or write over it with --force`,
    )
  }
  const values = await collectValues(context, options, before)
  const text = placeValues(options, before, values)
  // What is written can be read: the same checks as at a deployment.
  parseDeployment(file, text, environment)
  await writeDeploymentFile(file, text)
  const next = nextCommands(options, values)
  if (json) {
    const settings = nestValues(values)
    const made = { file, environment: environment ?? null, settings, next }
    return context.print(JSON.stringify(made, null, 2))
  }
  await context.print(`wrote ${file}${environment === undefined ? '' : `: ${environment}`}`)
  if (!options.adopt && !saysAccess(values) && stacksOf(values).includes('cpu')) {
    await context.print('callers will have keys: the first of the next commands makes one')
  }
  await context.print(`next:\n${next.map((line) => `  ${line}`).join('\n')}`)
}

async function collectValues(
  context: CommandContext,
  options: InitOptions,
  before: string | null,
): Promise<DeploymentValues> {
  const { region, stacks, name, email, environment, adopt, access, file } = options
  const given = readSettings(options, { region, stacks, name, 'alarms.email': email })
  if (!given.has('region')) {
    const { awsRegion } = await context.boot()
    if (awsRegion === undefined) throw refusal('there is no region; give one with --region')
    given.set('region', awsRegion)
  }
  const wanted = String(given.get('region'))
  const partition = otherPartitionOf(wanted)
  if (partition !== null) throw refusal(describeOtherPartition(wanted, partition))
  const isSecond = before !== null && environment !== undefined
  if (isSecond && !given.has('name') && !listEnvironments(file, before).includes(environment)) {
    given.set('name', `Espalier${environment.replace(/(?:^|-)(.)/g, (_, c) => c.toUpperCase())}`)
  }
  return adopt ? adoptDeployment(given) : startDeployment(given, access ?? 'keys')
}

/** The text of the file: a new one, or the one that is there with an environment more. */
function placeValues(
  { file, environment, force }: InitOptions,
  before: string | null,
  values: DeploymentValues,
): string {
  const settings = nestValues(values)
  if (environment === undefined) return format(settings)
  if (before === null) return format({ environments: { [environment]: settings } })
  const names = listEnvironments(file, before)
  if (names.includes(environment) && !force) {
    throw refusal(`${file} has the environment ${environment} already; write over it with --force`)
  }
  if (names.length > 0) return changeJson(before, ['environments', environment], settings)
  // What held for the only deployment holds for that one alone, not for the second.
  const first = environment === FIRST ? 'first' : FIRST
  const known = nestValues(parseDeployment(file, before).values)
  return format({ environments: { [first]: known, [environment]: settings } })
}

function format(content: object): string {
  return `${Object.entries(content).reduce((text, [name, value]) => changeJson(text, [name], value), '{}')}\n`
}

function nextCommands(
  { adopt, environment, file }: InitOptions,
  values: DeploymentValues,
): readonly string[] {
  const chosen = environment === undefined ? '' : ` --environment ${environment}`
  const ours = file === DEPLOYMENT_FILE ? chosen : `${chosen} --file ${file}`
  const context = [
    ...(environment === undefined ? [] : [` -c environment=${environment}`]),
    ...(file === DEPLOYMENT_FILE ? [] : [` -c file=${file}`]),
  ].join('')
  const image =
    values.has('image.cpu') || values.has('image.args')
      ? ''
      : ' -c image.args="$(infra/docker/resolve-digests.sh cpu)"'
  if (adopt) return [`npm run diff --${context}${image}   # shows what the upgrade changes`]
  const needsKey = stacksOf(values).includes('cpu') && !saysAccess(values)
  return [
    ...(needsKey ? [`espalier aws keys create --name first${ours}`] : []),
    `espalier aws doctor${ours}`,
    `npm run bootstrap --${context}   # once in each account and region`,
    `npm run deploy --${context}${image}`,
  ]
}

function refusal(message: string): EspalierError {
  return new EspalierError('invalid_request', message)
}
