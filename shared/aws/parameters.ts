import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { EspalierError } from '../lib/errors.ts'
import type { SecretAddress } from './address.ts'
import { clientConfig, regionOf } from './client-config.ts'
import { awsCode, explainAwsFailure } from './errors.ts'
import type { OpenSecretOptions, Secret, SecretChange, SecretReading } from './open-secret.ts'

/** What a parameter of the free tier holds. https://docs.aws.amazon.com/general/latest/gr/ssm.html */
const MAX_BYTES = 4_096
/** Each round that is lost was won by somebody else. */
const MAX_ROUNDS = 20

/** A parameter as it was read, with its number and the name that it is written by. */
interface ParameterReading extends SecretReading {
  readonly number: number
  readonly name: string
}

/** Opens a parameter of SSM, by its ARN or its name. */
export function openParameter(address: SecretAddress, options: OpenSecretOptions): Secret {
  const { id } = address
  const create = () => new SSMClient(clientConfig(address.region, options))
  let client = create()
  options.restoreHooks?.add(() => {
    client.destroy()
    client = create()
  })

  async function explain(verb: string, action: string, error: unknown): Promise<EspalierError> {
    const resource = id.startsWith('arn:')
      ? id
      : `arn:aws:ssm:${await regionOf(client)}:*:parameter/${id.replace(/^\//, '')}`
    const what = `${verb} the parameter ${id}`
    return explainAwsFailure({ what, action: `ssm:${action}`, resource }, error)
  }

  async function readVersion(number?: number): Promise<ParameterReading | null> {
    await regionOf(client)
    const name = number === undefined ? id : `${id}:${number}`
    try {
      const command = new GetParameterCommand({ Name: name, WithDecryption: true })
      const { Parameter: found } = await client.send(command)
      const { Value: text = '', Version = 0, ARN: arn = id, Name = id } = found ?? {}
      return { text, number: Version, version: String(Version), arn, name: Name }
    } catch (error) {
      if (/^Parameter(?:Version)?NotFound$/.test(awsCode(error))) return null
      throw await explain('read', 'GetParameter', error)
    }
  }

  /** The number of the version that was written; null where the parameter was to be new and is not. */
  async function write(name: string, text: string, isNew: boolean): Promise<number | null> {
    if (Buffer.byteLength(text) > MAX_BYTES) {
      const message = `the parameter ${id} is full: ${MAX_BYTES} bytes; keep the keys in a secret`
      throw new EspalierError('invalid_config', message)
    }
    const { description } = options
    const command = new PutParameterCommand({
      Name: name,
      Value: text,
      Type: 'SecureString',
      Overwrite: !isNew,
      ...(isNew && description !== undefined && { Description: description }),
    })
    try {
      return (await client.send(command)).Version ?? 1
    } catch (error) {
      if (awsCode(error) === 'ParameterAlreadyExists') return null
      throw await explain('write', 'PutParameter', error)
    }
  }

  /** The lines of the first reading with all that was written since: new ones added, those that were removed gone. */
  async function merge(first: ParameterReading, current: ParameterReading): Promise<string> {
    const lines = new Set(linesOf(first.text))
    const removed = new Set<string>()
    for (let number = first.number + 1; number <= current.number; number++) {
      const text = number === current.number ? current.text : (await readVersion(number))?.text
      if (text === undefined) continue
      const theirs = linesOf(text)
      for (const line of linesOf(first.text)) if (!theirs.includes(line)) removed.add(line)
      for (const line of theirs) lines.add(line)
    }
    return [...lines].filter((line) => !removed.has(line)).join('\n')
  }

  /** Null where somebody else made the parameter meanwhile. */
  async function make(text: string): Promise<SecretChange | null> {
    const number = await write(nameOf(id), text, true)
    const made = await readVersion()
    // It is our own where the answer to a request was lost, so that it was sent again.
    if (number === null && made?.text !== text) return null
    return { arn: made?.arn ?? id, created: true }
  }

  /**
   * SSM has no conditional writing: versions are numbered, so that a gap shows what was written in between. Whoever
   * finds one merges, until a version has all of it.
   */
  async function replace(
    first: ParameterReading,
    edit: (text: string) => string,
  ): Promise<SecretChange> {
    const done = { arn: first.arn, created: false }
    let current = first
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const text = edit(await merge(first, current))
      if (round > 1 && isSameLines(text, current.text)) return done
      const written = await write(first.name, text, false)
      if (written === current.number + 1) return done
      current = (await readVersion()) ?? current
    }
    const message = `the parameter ${id} is changed by others all the time; try again`
    throw new EspalierError('version_conflict', message)
  }

  return {
    read: () => readVersion(),
    async change(edit) {
      let first = await readVersion()
      const made = first === null ? await make(edit(null)) : null
      if (made !== null) return made
      first ??= await readVersion()
      if (first !== null) return replace(first, edit)
      throw new EspalierError('version_conflict', `the parameter ${id} was deleted meanwhile`)
    },
    close: () => client.destroy(),
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

function isSameLines(a: string, b: string): boolean {
  return linesOf(a).sort().join('\n') === linesOf(b).sort().join('\n')
}

/** Names of several parts begin with a slash, which the ARN leaves out. */
function nameOf(id: string): string {
  const name = /^arn:.*:parameter\/(.*)$/.exec(id)?.[1]
  if (name === undefined) return id
  return name.includes('/') ? `/${name}` : name
}
