import { ACMClient, DescribeCertificateCommand } from '@aws-sdk/client-acm'
import { DescribeRegionsCommand, DescribeVpcEndpointsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { GetHostedZoneCommand, Route53Client } from '@aws-sdk/client-route-53'
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { EspalierError } from '../lib/errors.ts'
import { type AwsOptions, clientConfig, regionOf } from './client-config.ts'
import { type AwsRequest, awsCode, explainAwsFailure } from './errors.ts'

/** A certificate of AWS Certificate Manager. */
export interface Certificate {
  /** `ISSUED` where it can be used. */
  readonly status: string
  /** The names that it is for, with `*` for one label. */
  readonly names: readonly string[]
}

/**
 * What an account has in a region, as far as a deployment depends on it. Every question only reads; what AWS refuses is
 * an error that names the right which is missing, and null is what AWS does not have.
 */
export interface Account {
  caller(): Promise<{ readonly account: string; readonly arn: string }>
  /** How each region of the partition stands to the account: `opt-in-not-required`, `opted-in`, `not-opted-in`. */
  regions(): Promise<ReadonlyMap<string, string>>
  parameter(name: string): Promise<string | null>
  /** Executions at once: of the account in the region, and of those the part that no function has reserved. */
  concurrency(): Promise<{ readonly limit: number; readonly unreserved: number }>
  quota(service: string, code: string): Promise<number>
  certificate(arn: string): Promise<Certificate | null>
  zone(id: string): Promise<{ readonly name: string; readonly isPrivate: boolean } | null>
  vpcEndpoint(id: string): Promise<{ readonly service: string; readonly state: string } | null>
}

/** What everybody may ask, in the region that exists in every account. */
const HOME_REGION = 'us-east-1'
/** Questions are many and independent: one that gets no answer must not hold up the rest for long. */
const RETRY = { attempts: 2, budgetMs: 5_000 } as const
const ABSENT = [
  'ParameterNotFound',
  'ResourceNotFoundException',
  'NoSuchHostedZone',
  'InvalidVpcEndpointId.NotFound',
  'InvalidVpcEndpointId.Malformed',
  'NoSuchResourceException',
]

/** The region of the environment or the profile; undefined where neither has one. */
export async function findRegion(): Promise<string | undefined> {
  try {
    return await regionOf(new STSClient({}))
  } catch {
    return undefined
  }
}

/** Opens the account of the environment's credentials. Nothing is asked of AWS yet. */
export function openAccount(region: string, options: AwsOptions = {}): Account {
  const settings = { ...options, retry: { ...RETRY, ...options.retry } }
  const here = () => clientConfig(region, settings)
  const home = () => clientConfig(HOME_REGION, settings)
  return {
    caller: async () => {
      const request = { what: 'see who calls', action: 'sts:GetCallerIdentity', resource: '*' }
      const client = new STSClient(home())
      const { Account = '', Arn = '' } = await ask(
        request,
        client.send(new GetCallerIdentityCommand()),
      )
      return { account: Account, arn: Arn }
    },
    regions: async () => {
      const request = { what: 'list the regions', action: 'ec2:DescribeRegions', resource: '*' }
      const command = new DescribeRegionsCommand({ AllRegions: true })
      const { Regions = [] } = await ask(request, new EC2Client(home()).send(command))
      return new Map(
        Regions.map(({ RegionName = '', OptInStatus = '' }) => [RegionName, OptInStatus]),
      )
    },
    parameter: async (name) => {
      const resource = `arn:aws:ssm:${region}:*:parameter${name}`
      const request = { what: `read the parameter ${name}`, action: 'ssm:GetParameter', resource }
      const command = new GetParameterCommand({ Name: name })
      const found = await askForOne(request, new SSMClient(here()).send(command))
      return found?.Parameter?.Value ?? null
    },
    concurrency: async () => {
      const what = 'read the limits of Lambda'
      const request = { what, action: 'lambda:GetAccountSettings', resource: '*' }
      const client = new LambdaClient(here())
      const { AccountLimit } = await ask(request, client.send(new GetAccountSettingsCommand({})))
      const { ConcurrentExecutions, UnreservedConcurrentExecutions } = AccountLimit ?? {}
      const limit = wholeOf(ConcurrentExecutions, request)
      return { limit, unreserved: UnreservedConcurrentExecutions ?? limit }
    },
    quota: async (service, code) => {
      const asked = { ServiceCode: service, QuotaCode: code }
      const client = new ServiceQuotasClient(here())
      const request = {
        what: `read the quota ${code} of ${service}`,
        action: 'servicequotas:GetServiceQuota',
        resource: '*',
      }
      const own = await askForOne(request, client.send(new GetServiceQuotaCommand(asked)))
      if (own?.Quota?.Value !== undefined) return own.Quota.Value
      // An account that never asked for more may have no value of its own.
      const usual = { ...request, action: 'servicequotas:GetAWSDefaultServiceQuota' }
      const command = new GetAWSDefaultServiceQuotaCommand(asked)
      return wholeOf((await ask(usual, client.send(command))).Quota?.Value, usual)
    },
    certificate: async (arn) => {
      const request = {
        what: `read the certificate ${arn}`,
        action: 'acm:DescribeCertificate',
        resource: arn,
      }
      const command = new DescribeCertificateCommand({ CertificateArn: arn })
      const found = await askForOne(request, new ACMClient(here()).send(command))
      if (found?.Certificate === undefined) return null
      const { Status = '', DomainName = '', SubjectAlternativeNames = [] } = found.Certificate
      return { status: Status, names: [...new Set([DomainName, ...SubjectAlternativeNames])] }
    },
    zone: async (id) => {
      const resource = `arn:aws:route53:::hostedzone/${id}`
      const request = { what: `read the zone ${id}`, action: 'route53:GetHostedZone', resource }
      const command = new GetHostedZoneCommand({ Id: id })
      const found = await askForOne(request, new Route53Client(here()).send(command))
      if (found?.HostedZone === undefined) return null
      const { Name = '', Config } = found.HostedZone
      return { name: Name.replace(/\.$/, ''), isPrivate: Config?.PrivateZone ?? false }
    },
    vpcEndpoint: async (id) => {
      const what = `read the VPC endpoint ${id}`
      const request = { what, action: 'ec2:DescribeVpcEndpoints', resource: '*' }
      const command = new DescribeVpcEndpointsCommand({ VpcEndpointIds: [id] })
      const found = await askForOne(request, new EC2Client(here()).send(command))
      const [endpoint] = found?.VpcEndpoints ?? []
      if (endpoint === undefined) return null
      return { service: endpoint.ServiceName ?? '', state: endpoint.State ?? '' }
    },
  }
}

async function ask<T>(request: AwsRequest, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw explainAwsFailure(request, error)
  }
}

/** As `ask`; null for what is not there. */
async function askForOne<T>(request: AwsRequest, answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (ABSENT.includes(awsCode(error))) return null
    throw explainAwsFailure(request, error)
  }
}

function wholeOf(value: number | undefined, { what }: AwsRequest): number {
  if (value !== undefined) return value
  throw new EspalierError('aws_unavailable', `cannot ${what}: the answer has no number`)
}
