import { Duration, TimeZone } from 'aws-cdk-lib'
import { Schedule } from 'aws-cdk-lib/aws-applicationautoscaling'
import { Key } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import { DEFAULT_STACKS, STACKS, type StackName } from '../../shared/deployment/settings.ts'
import type { AccessProps, JwtAccess } from '../constructs/access.ts'
import type { DomainProps } from '../constructs/domain.ts'
import type { GpuName } from '../constructs/gpu-capacity.ts'
import type { IdlePolicy } from '../constructs/idle-policy.ts'
import { KeySource } from '../constructs/key-source.ts'
import type { Architecture } from '../constructs/service-image.ts'
import type { Context } from './context.ts'
import { checkRegion } from './regions.ts'
import { SettingError } from './setting-error.ts'

const GPUS = ['T4', 'L4', 'A10G', 'L40S'] as const satisfies readonly GpuName[]
const ARCHITECTURES = ['x86_64', 'arm64'] as const satisfies readonly Architecture[]

/** The region, the stacks and what they are called. @throws SettingError */
export function readFrame(context: Context, defaultRegion: string | undefined) {
  const region = checkRegion(
    context.text('region') ??
      defaultRegion ??
      context.required('region', 'it says which region of AWS to deploy to, such as eu-west-1'),
  )
  const name = context.text('name') ?? 'Espalier'
  if (!/^[A-Za-z][A-Za-z0-9]{0,31}$/.test(name)) {
    throw new SettingError(`name is "${name}"; it must be 1 to 32 letters and digits`)
  }
  const given = context.choices('stacks', STACKS)
  const stacks = new Set<StackName>(given.length > 0 ? given : DEFAULT_STACKS)
  const uses = [...stacks].find((stack) => stack !== 'store' && stack !== 'ops')
  if (uses && !stacks.has('store')) {
    throw new SettingError(`stacks has ${uses}, whose models lie in store; add store to them`)
  }
  return { region, name, stacks, permissionsBoundary: context.text('permissionsBoundary') }
}

/** Who may call the endpoint on Lambda; that one way is chosen is for the endpoint to check. */
export function readCpuAccess(scope: Construct, context: Context): AccessProps {
  const given = {
    jwt: readJwt(context, 'cpu'),
    iam: context.flag('cpu.iam'),
    keys: readKeys(scope, context, 'cpu'),
    open: context.flag('cpu.open'),
  }
  // Only a file says that nothing was chosen; without one it is IAM, as in earlier deployments.
  const isChosen = given.jwt || given.keys || given.open || context.text('cpu.iam') !== undefined
  return context.hasFile || isChosen ? given : { ...given, iam: true }
}

/** Tokens that an endpoint takes. @throws SettingError for half of it */
export function readJwt(context: Context, endpoint: 'cpu' | 'gpu'): JwtAccess | undefined {
  const issuer = context.text(`${endpoint}.jwt.issuer`)
  const audience = context.list(`${endpoint}.jwt.audience`)
  if (issuer === undefined && audience.length === 0) return undefined
  return {
    issuer: issuer ?? context.required(`${endpoint}.jwt.issuer`, 'it says who issues the tokens'),
    audience,
  }
}

/** Where the keys of an endpoint's callers lie. @throws SettingError for what is no ARN of such */
export function readKeys(
  scope: Construct,
  context: Context,
  endpoint: 'cpu' | 'gpu',
): KeySource | undefined {
  const arn = context.text(`${endpoint}.keys`)
  if (arn === undefined) return undefined
  const key = context.text('keys.kms')
  const id = endpoint === 'cpu' ? 'CpuKeysKey' : 'GpuKeysKey'
  return KeySource.fromArn(arn, key ? Key.fromKeyArn(scope, id, key) : undefined)
}

/** The name of an endpoint. @throws SettingError for a name without a certificate, or half a zone */
export function readDomain(context: Context, endpoint: 'cpu' | 'gpu'): DomainProps | undefined {
  const name = context.text(`${endpoint}.domain`)
  if (name === undefined) return undefined
  const certificateArn = context.required(
    `${endpoint}.certificate`,
    `HTTPS under ${name} needs a certificate in AWS Certificate Manager`,
  )
  const id = context.text('zone.id')
  if (id === undefined) return { name, certificateArn }
  const zoneName = context.required('zone.name', 'zone.id has a name')
  if (name !== zoneName && !name.endsWith(`.${zoneName}`)) {
    throw new SettingError(`${endpoint}.domain is "${name}", which is not in the zone ${zoneName}`)
  }
  return { name, certificateArn, zone: { id, name: zoneName } }
}

/** The processor of the function, and of jobs without a GPU. */
export function readArchitecture(context: Context): Architecture {
  return context.choice('cpu.architecture', ARCHITECTURES, 'x86_64')
}

/** What a function takes beside its image. */
export function readCpuSize(context: Context) {
  const timeout = context.whole('cpu.timeout')
  return {
    architecture: readArchitecture(context),
    memoryMib: context.whole('cpu.memory'),
    timeout: timeout === undefined ? undefined : Duration.seconds(timeout),
    maxConcurrency: context.whole('cpu.concurrency'),
    provisioned: context.whole('cpu.provisioned'),
    snapStart: context.flag('cpu.snapstart'),
    throttle: {
      rate: context.whole('cpu.rate') ?? 50,
      burst: context.whole('cpu.burst') ?? 100,
    },
  }
}

/** Which GPUs, how many, and when. @throws SettingError for GPUs on Fargate among others */
export function readGpuSize(context: Context) {
  if (context.text('gpu.capacity')?.toLowerCase() === 'fargate') {
    throw new SettingError(
      'gpu.capacity is fargate, which has no GPUs; leave it out for instances, or deploy the stack cpu',
    )
  }
  context.choice('gpu.capacity', ['instances'] as const, 'instances')
  const gpus = context.choices('gpu.types', GPUS)
  return {
    gpus: gpus.length > 0 ? gpus : undefined,
    maxTasks: context.whole('gpu.tasks'),
    requestsInFlight: context.whole('gpu.flight'),
    regionalNames:
      context.choice('gpu.names', ['account', 'region'] as const, 'account') === 'region',
    idle: readIdle(context),
  }
}

/** A time that is given in minutes. */
export function readMinutes(context: Context, key: 'jobs.stuck'): Duration | undefined {
  const minutes = context.whole(key)
  return minutes === undefined ? undefined : Duration.minutes(minutes)
}

/** How long rows and results are kept. @throws SettingError for a bucket that is not made here */
export function readDataAge(context: Context): { readonly dataFor?: Duration } {
  const days = context.whole('data.days')
  if (days === undefined) return {}
  if (context.text('data.bucket') !== undefined) {
    throw new SettingError(
      'data.days is set, and data.bucket is a bucket of yours; give it a lifecycle rule yourself',
    )
  }
  return { dataFor: Duration.days(days) }
}

function readIdle(context: Context): IdlePolicy {
  const kind = context.choice('gpu.idle', ['never', 'quiet', 'schedule'] as const, 'quiet')
  if (kind === 'never') return { kind }
  if (kind === 'quiet') {
    return { kind, after: Duration.minutes(context.whole('gpu.quiet') ?? 60) }
  }
  const hours = context.text('gpu.hours') ?? '7-19'
  const [, from, to] = /^([0-9]{1,2})-([0-9]{1,2})$/.exec(hours) ?? []
  if (!from || !to || Number(from) >= Number(to) || Number(to) > 23) {
    throw new SettingError(`gpu.hours is "${hours}"; it must be two hours of a day, such as 7-19`)
  }
  const at = (hour: string) =>
    Schedule.cron({ minute: '0', hour: String(Number(hour)), weekDay: 'MON-FRI' })
  return {
    kind,
    startAt: at(from),
    stopAt: at(to),
    timeZone: TimeZone.of(context.text('gpu.zone') ?? 'Etc/UTC'),
  }
}

/**
 * Arguments of a build: `NAME=VALUE`, with commas or spaces between them, also as `--build-arg NAME=VALUE`.
 * @throws SettingError for anything else
 */
export function readBuildArgs(context: Context): Record<string, string> {
  const words = (context.text('image.args') ?? '').split(/[\s,]+/)
  return Object.fromEntries(
    words
      .filter((word) => word !== '' && word !== '--build-arg')
      .map((pair) => {
        const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.+)$/.exec(pair) ?? []
        if (name && value) return [name, value]
        throw new SettingError(`image.args has "${pair}"; it takes NAME=VALUE`)
      }),
  )
}
