import { addressOf, parseSecretArn, type SecretAddress } from '../../../../shared/aws/address.ts'
import {
  type Deployment,
  findDeploymentFile,
  readDeployment,
} from '../../../../shared/deployment/deployment-file.ts'
import { type SettingKey, stacksOf } from '../../../../shared/deployment/settings.ts'
import { updateDeploymentFile } from '../../../../shared/deployment/update-file.ts'

/** What a command is told about the place of keys. */
export interface KeyPlaceOptions {
  readonly secret?: string
  readonly parameter?: string
  readonly region?: string
  readonly file?: string
  readonly environment?: string
}

/** Where keys are kept, and the deployment that uses them. */
export interface KeyPlace {
  readonly address: SecretAddress
  /** Null where there is no deployment file. */
  readonly deployment: Deployment | null
}

/** An endpoint with the settings that say how it knows callers; one of them is enough. */
const ENDPOINTS = [
  { stack: 'cpu', keys: 'cpu.keys', others: ['cpu.jwt.issuer', 'cpu.iam', 'cpu.open'] },
  { stack: 'gpu', keys: 'gpu.keys', others: ['gpu.jwt.issuer', 'gpu.open'] },
] as const satisfies readonly {
  readonly stack: string
  readonly keys: SettingKey
  readonly others: readonly SettingKey[]
}[]

/**
 * The place that the options name, else that of the deployment file in this folder, else a secret named after the
 * deployment.
 * @throws EspalierError `invalid_config` for a file or an ARN that cannot be
 */
export function findKeyPlace(options: KeyPlaceOptions): KeyPlace {
  const { secret, parameter, file = findDeploymentFile(['.']), environment } = options
  const deployment = file === null ? null : readDeployment(file, environment)
  const region = options.region ?? textOf(deployment, 'region')
  if (parameter !== undefined) {
    return { deployment, address: addressOf('ssm', parameter, region) }
  }
  if (secret !== undefined) {
    return { deployment, address: addressOf('secretsmanager', secret, region) }
  }
  const known = textOf(deployment, 'cpu.keys') ?? textOf(deployment, 'gpu.keys')
  if (known !== undefined) return { deployment, address: parseSecretArn(known) }
  const name = textOf(deployment, 'name') ?? 'espalier'
  return {
    deployment,
    address: { service: 'secretsmanager', id: `${name.toLowerCase()}/keys`, region },
  }
}

/**
 * Writes the place of keys into the deployment file, for every endpoint that does not know callers by something else.
 * Gives a line for each change, and for each that has to be made by hand.
 */
export async function noteKeyPlace(deployment: Deployment, arn: string): Promise<string[]> {
  const { path, environment, values } = deployment
  const stacks = stacksOf(values)
  const notes: string[] = []
  for (const { stack, keys, others } of ENDPOINTS) {
    if (!stacks.includes(stack)) continue
    const given = values.get(keys)
    if (given === arn) continue
    const other = others.find((key) => values.get(key) !== undefined && values.get(key) !== false)
    if (given !== undefined) {
      notes.push(`${path} keeps ${keys}: ${String(given)}`)
    } else if (other !== undefined) {
      notes.push(
        `${path} has ${other}; to let callers in by keys instead, set ${keys} to ${arn} and take ${other} out`,
      )
    } else {
      await updateDeploymentFile(path, environment, keys, arn)
      notes.push(`${path} now has ${keys}; deploy to let callers in by it`)
    }
  }
  return notes
}

function textOf(deployment: Deployment | null, key: SettingKey): string | undefined {
  const value = deployment?.values.get(key)
  return typeof value === 'string' ? value : undefined
}
