import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type LogGroups, searchLogs } from './fake-log-insights.ts'

const REGION = 'eu-central-1'
const ACCOUNT = '123456789012'
/** As calls are named here, by what the protocol calls a service. */
const SERVICES: Readonly<Record<string, string>> = {
  AmazonSSM: 'ssm',
  AWSEvents: 'events',
  Logs_20140328: 'logs',
}

/** What AWS answers: a status, and a body of its JSON protocol. */
interface AwsAnswer {
  readonly status: number
  readonly body: object
}

/** One call: `secretsmanager.GetSecretValue` and what it was given. */
export interface AwsCall {
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
}

/** What happens to a call instead of an honest answer; null answers honestly. */
export type AwsFault = (call: AwsCall) => AwsAnswer | null | 'hang' | 'lose'

/** A secret of Secrets Manager, as far as keys need one. */
interface FakeSecret {
  readonly arn: string
  readonly texts: Map<string, string>
  /** The version that each label is on. */
  readonly stages: Map<string, string>
  deleted: boolean
}

/** An event on the bus, its detail read. */
export interface FakeEvent {
  readonly source: unknown
  readonly type: unknown
  /** Seconds since 1970. */
  readonly time: unknown
  readonly detail: Readonly<Record<string, unknown>>
}

/** Secrets Manager, SSM, EventBridge and Logs Insights on a real socket, for real clients of the SDK. */
export interface FakeAws {
  /** The environment that makes a client talk to it. */
  readonly env: Readonly<Record<string, string>>
  readonly calls: AwsCall[]
  readonly secrets: Map<string, FakeSecret>
  /** Every version of every parameter, in order. */
  readonly parameters: Map<string, string[]>
  /** What was put on the default bus. */
  readonly events: FakeEvent[]
  /** Lines that queries find, by log group; a group that is not there is unknown. */
  readonly logs: LogGroups
  /** Stands before every answer until it is taken away. */
  fault: AwsFault | null
  /** The current text of a secret. */
  current(name: string): string | undefined
  close(): Promise<void>
}

/** Starts the server on a free port. */
export async function startFakeAws(): Promise<FakeAws> {
  const secrets = new Map<string, FakeSecret>()
  const parameters = new Map<string, string[]>()
  const events: FakeEvent[] = []
  const logs: LogGroups = new Map()
  const calls: AwsCall[] = []
  const actions = {
    ...secretActions(secrets),
    ...parameterActions(parameters),
    ...eventActions(events),
    ...logActions(logs),
  }
  const server = createServer(async (request, response) => {
    const [service = '', action = ''] = String(request.headers['x-amz-target']).split('.')
    const input = JSON.parse(await text(request)) as AwsCall['input']
    const name = `${SERVICES[service] ?? service}.${action}`
    calls.push({ name, input })
    const fault = fake.fault?.({ name, input }) ?? null
    if (fault === 'hang') return
    const perform = () => actions[name]?.(input) ?? refusal('UnknownOperationException', name)
    const answer = fault === null || fault === 'lose' ? perform() : fault
    if (fault === 'lose') {
      request.socket.destroy()
      return
    }
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify(answer.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const fake: FakeAws = {
    env: {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
      AWS_ENDPOINT_URL_SSM: endpoint,
      AWS_ENDPOINT_URL_EVENTBRIDGE: endpoint,
      AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: endpoint,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: REGION,
    },
    calls,
    secrets,
    parameters,
    events,
    logs,
    fault: null,
    current(name) {
      const secret = secrets.get(name)
      return secret?.texts.get(secret.stages.get('AWSCURRENT') ?? '')
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return fake
}

/** What AWS answers to a call that it refuses. */
export function refusal(code: string, message: string, status = 400): AwsAnswer {
  return { status, body: { __type: code, message, Message: message } }
}

/** What AWS answers to a caller without the right. */
export const denied = ({ name }: AwsCall): AwsAnswer =>
  refusal('AccessDeniedException', `not authorized to perform: ${name.replace('.', ':')}`)

type Actions = Readonly<Record<string, (input: AwsCall['input']) => AwsAnswer>>
const done = (body: object): AwsAnswer => ({ status: 200, body })

function secretActions(secrets: Map<string, FakeSecret>): Actions {
  const find = (id: unknown) =>
    secrets.get(String(id)) ?? [...secrets.values()].find(({ arn }) => arn === id)
  const missing = () => refusal('ResourceNotFoundException', 'Secrets Manager can’t find it.')
  const onSecret =
    (act: (secret: FakeSecret, input: AwsCall['input']) => AwsAnswer) =>
    (input: AwsCall['input']) => {
      const secret = find(input.SecretId)
      if (secret === undefined) return missing()
      if (secret.deleted) {
        return refusal('InvalidRequestException', 'it was marked for deletion')
      }
      return act(secret, input)
    }
  const put = (secret: FakeSecret, input: AwsCall['input']) => {
    const version = String(input.ClientRequestToken ?? randomUUID())
    secret.texts.set(version, String(input.SecretString))
    return version
  }
  return {
    'secretsmanager.CreateSecret': (input) => {
      const name = String(input.Name)
      const existing = secrets.get(name)
      // A request that is sent again has the token of the first one.
      if (existing?.texts.get(String(input.ClientRequestToken)) === input.SecretString) {
        return done({ ARN: existing?.arn, Name: name })
      }
      if (existing) return refusal('ResourceExistsException', 'it exists already')
      const arn = `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${name}-AbCdEf`
      const secret = { arn, texts: new Map(), stages: new Map(), deleted: false }
      secrets.set(name, secret)
      secret.stages.set('AWSCURRENT', put(secret, input))
      return done({ ARN: arn, Name: name })
    },
    'secretsmanager.GetSecretValue': onSecret(({ arn, texts, stages }) => {
      const version = stages.get('AWSCURRENT')
      if (version === undefined) return missing()
      return done({ ARN: arn, VersionId: version, SecretString: texts.get(version) })
    }),
    'secretsmanager.PutSecretValue': onSecret((secret, input) => {
      const version = put(secret, input)
      for (const label of (input.VersionStages as string[] | undefined) ?? ['AWSCURRENT']) {
        secret.stages.set(label, version)
      }
      return done({ ARN: secret.arn, VersionId: version })
    }),
    'secretsmanager.UpdateSecretVersionStage': onSecret((secret, input) => {
      const label = String(input.VersionStage)
      const holder = secret.stages.get(label)
      if (holder !== input.RemoveFromVersionId) {
        return refusal('InvalidParameterException', `${label} is not attached to that version`)
      }
      secret.stages.set(label, String(input.MoveToVersionId))
      return done({ ARN: secret.arn })
    }),
  }
}

function parameterActions(parameters: Map<string, string[]>): Actions {
  const arnOf = (name: string) =>
    `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/${name.replace(/^\//, '')}`
  return {
    'ssm.GetParameter': (input) => {
      const [, id = '', number] = /^(.+?)(?::([0-9]+))?$/.exec(String(input.Name)) ?? []
      const name = [...parameters.keys()].find((each) => each === id || arnOf(each) === id)
      const versions = parameters.get(name ?? '')
      if (versions === undefined || name === undefined) {
        return refusal('ParameterNotFound', 'no such parameter')
      }
      const version = Number(number ?? versions.length)
      const value = versions[version - 1]
      if (value === undefined) return refusal('ParameterVersionNotFound', 'no such version')
      return done({ Parameter: { Name: name, ARN: arnOf(name), Value: value, Version: version } })
    },
    'ssm.PutParameter': (input) => {
      const name = String(input.Name)
      const versions = parameters.get(name)
      if (versions !== undefined && input.Overwrite !== true) {
        return refusal('ParameterAlreadyExists', 'it exists already')
      }
      parameters.set(name, [...(versions ?? []), String(input.Value)])
      return done({ Version: (versions?.length ?? 0) + 1 })
    },
  }
}

function eventActions(events: FakeEvent[]): Actions {
  return {
    'events.PutEvents': ({ Entries }) => {
      const told = (Entries as Record<string, unknown>[]).map((entry) => {
        const { Source: source, DetailType: type, Time: time, Detail } = entry
        events.push({ source, type, time, detail: JSON.parse(String(Detail)) })
        return { EventId: randomUUID() }
      })
      return done({ FailedEntryCount: 0, Entries: told })
    },
  }
}

/** A query has run when it is asked for the second time. */
function logActions(logs: LogGroups): Actions {
  const queries = new Map<string, { readonly answer: object; asked: number }>()
  return {
    'logs.StartQuery': ({ logGroupNames, queryString, startTime, endTime }) => {
      const groups = logGroupNames as string[]
      const unknown = groups.find((group) => !logs.has(group))
      if (unknown) return refusal('ResourceNotFoundException', `no log group ${unknown}`)
      const range = { groups, start: Number(startTime), end: Number(endTime) }
      const results = searchLogs(logs, String(queryString), range)
      if (results === null) return refusal('MalformedQueryException', String(queryString))
      const queryId = randomUUID()
      queries.set(queryId, { answer: { status: 'Complete', results }, asked: 0 })
      return done({ queryId })
    },
    'logs.GetQueryResults': ({ queryId }) => {
      const query = queries.get(String(queryId))
      if (query === undefined) return refusal('ResourceNotFoundException', 'no such query')
      query.asked++
      return done(query.asked < 2 ? { status: 'Running', results: [] } : query.answer)
    },
  }
}
