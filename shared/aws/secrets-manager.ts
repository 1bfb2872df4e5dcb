import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { EspalierError } from '../lib/errors.ts'
import type { SecretAddress } from './address.ts'
import { clientConfig, regionOf } from './client-config.ts'
import { awsCode, explainAwsFailure } from './errors.ts'
import type { OpenSecretOptions, Secret, SecretChange, SecretReading } from './open-secret.ts'

/** A version waits under this label until it becomes the current one; another one takes the label over. */
const WAITING = 'espalier-next'
const CURRENT = 'AWSCURRENT'
/** Each round that is lost was won by somebody else. */
const MAX_ROUNDS = 20

/** Opens a secret of Secrets Manager, by its ARN or its name. */
export function openManagedSecret(address: SecretAddress, options: OpenSecretOptions): Secret {
  const { id } = address
  const create = () => new SecretsManagerClient(clientConfig(address.region, options))
  let client = create()
  options.restoreHooks?.add(() => {
    client.destroy()
    client = create()
  })

  async function explain(verb: string, action: string, error: unknown): Promise<EspalierError> {
    if (awsCode(error) === 'InvalidRequestException' && isDeleted(error)) {
      const message = `the secret ${id} is scheduled for deletion; restore it, or take another`
      return new EspalierError('invalid_config', message, { cause: error })
    }
    const resource = id.startsWith('arn:')
      ? id
      : `arn:aws:secretsmanager:${await regionOf(client)}:*:secret:${id}-*`
    const what = `${verb} the secret ${id}`
    return explainAwsFailure({ what, action: `secretsmanager:${action}`, resource }, error)
  }

  async function read(): Promise<SecretReading | null> {
    await regionOf(client)
    try {
      const answer = await client.send(new GetSecretValueCommand({ SecretId: id }))
      const { SecretString: text, VersionId: version = '', ARN: arn = id } = answer
      if (text !== undefined) return { text, version, arn }
    } catch (error) {
      if (awsCode(error) === 'ResourceNotFoundException') return null
      throw await explain('read', 'GetSecretValue', error)
    }
    throw new EspalierError('invalid_config', `the secret ${id} holds bytes; it must hold text`)
  }

  /** Null where there is a secret of the name. */
  async function make(text: string): Promise<SecretChange | null> {
    const { description } = options
    const command = new CreateSecretCommand({
      Name: id,
      SecretString: text,
      ...(description !== undefined && { Description: description }),
    })
    try {
      const { ARN: arn = id } = await client.send(command)
      return { arn, created: true }
    } catch (error) {
      if (awsCode(error) === 'ResourceExistsException') return null
      throw await explain('create', 'CreateSecret', error)
    }
  }

  async function add(text: string): Promise<{ readonly version: string; readonly arn: string }> {
    const stages = { VersionStages: [WAITING] }
    try {
      const command = new PutSecretValueCommand({ SecretId: id, SecretString: text, ...stages })
      const { VersionId: version = '', ARN: arn = id } = await client.send(command)
      return { version, arn }
    } catch (error) {
      throw await explain('write', 'PutSecretValue', error)
    }
  }

  /** False where `from` is no longer the current version: Secrets Manager compares. */
  async function makeCurrent(version: string, from: string | undefined): Promise<boolean> {
    const command = new UpdateSecretVersionStageCommand({
      SecretId: id,
      VersionStage: CURRENT,
      MoveToVersionId: version,
      RemoveFromVersionId: from,
    })
    try {
      await client.send(command)
      return true
    } catch (error) {
      const code = awsCode(error)
      if (code !== 'InvalidParameterException' && code !== 'InvalidRequestException') {
        throw await explain('write', 'UpdateSecretVersionStage', error)
      }
      // It may be the answer to a request that was sent again after it had succeeded.
      return (await read())?.version === version
    }
  }

  return {
    read,
    async change(edit) {
      let isThere = false
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const before = await read()
        const text = edit(before?.text ?? null)
        if (before === null && !isThere) {
          const made = await make(text)
          if (made !== null) return made
          // Made by somebody else meanwhile, or a secret that was made without a value.
          isThere = true
          continue
        }
        const { version, arn } = await add(text)
        if (await makeCurrent(version, before?.version)) return { arn, created: false }
      }
      const message = `the secret ${id} is changed by others all the time; try again`
      throw new EspalierError('version_conflict', message)
    },
    close: () => client.destroy(),
  }
}

function isDeleted(error: unknown): boolean {
  return error instanceof Error && /delet/i.test(error.message)
}
