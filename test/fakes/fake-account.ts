import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What the account has; a test changes it before it asks. */
export interface AccountState {
  arn: string
  /** Opt-in status by region. */
  regions: Record<string, string>
  limit: number
  unreserved: number
  /** Quotas of the account by code; one that is left out has AWS's default, which is 0. */
  quotas: Record<string, number>
  certificates: Record<string, { status: string; names: string[] }>
  zones: Record<string, { name: string; isPrivate: boolean }>
  endpoints: Record<string, { service: string; state: string }>
  /** Actions such as `lambda:GetAccountSettings` that the caller may not do. */
  denied: Set<string>
  /** Actions that are never answered; `*` for all. */
  hanging: Set<string>
  /** The code that every request is refused with, such as `InvalidClientTokenId`. */
  unknownCaller: string | null
}

/** STS, EC2, Lambda, Service Quotas, ACM and Route 53 on a real socket, for real clients of the SDK. */
export interface FakeAccount {
  readonly env: Readonly<Record<string, string>>
  readonly state: AccountState
  /** Every action that was asked for, in order. */
  readonly calls: string[]
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: string
}

type Input = Readonly<Record<string, string | undefined>>

const SERVICES = ['STS', 'EC2', 'LAMBDA', 'SERVICE_QUOTAS', 'ACM', 'ROUTE_53']

/** Starts the server on a free port, with an account that has everything. */
export async function startFakeAccount(): Promise<FakeAccount> {
  const state: AccountState = {
    arn: 'arn:aws:sts::123456789012:assumed-role/Deployer/someone',
    regions: {
      'us-east-1': 'opt-in-not-required',
      'eu-central-1': 'opt-in-not-required',
      'af-south-1': 'not-opted-in',
    },
    limit: 1000,
    unreserved: 1000,
    quotas: { 'L-DB2E81BA': 64, 'L-3819A6DF': 512 },
    certificates: {},
    zones: {},
    endpoints: {},
    denied: new Set(),
    hanging: new Set(),
    unknownCaller: null,
  }
  const calls: string[] = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const { action, input } = readRequest(String(request.headers['x-amz-target'] ?? ''), {
      path: request.url ?? '',
      body,
    })
    calls.push(action)
    if (state.hanging.has(action) || state.hanging.has('*')) return
    const { status, body: answer } = answerTo(action, input, state)
    response.writeHead(status)
    response.end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    env: Object.fromEntries(SERVICES.map((name) => [`AWS_ENDPOINT_URL_${name}`, endpoint])),
    state,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The action in the words of IAM: each service has a protocol of its own. */
function readRequest(target: string, { path, body }: { path: string; body: string }) {
  if (target !== '') {
    const [service, action] = target.split('.')
    const prefix = service?.startsWith('ServiceQuotas') ? 'servicequotas' : 'acm'
    return { action: `${prefix}:${action}`, input: JSON.parse(body) as Input }
  }
  const zone = /^\/2013-04-01\/hostedzone\/([^/?]+)/.exec(path)?.[1]
  if (zone !== undefined) return { action: 'route53:GetHostedZone', input: { Id: zone } }
  if (path.startsWith('/2016-08-19/account-settings')) {
    return { action: 'lambda:GetAccountSettings', input: {} }
  }
  const input: Input = Object.fromEntries(new URLSearchParams(body))
  const prefix = input.Version === '2011-06-15' ? 'sts' : 'ec2'
  return { action: `${prefix}:${input.Action}`, input }
}

function answerTo(action: string, input: Input, state: AccountState): Answer {
  if (state.unknownCaller !== null) return refuse(action, state.unknownCaller, 403)
  if (state.denied.has(action)) {
    const code = action.startsWith('ec2:') ? 'UnauthorizedOperation' : 'AccessDeniedException'
    return refuse(action, code, 403)
  }
  switch (action) {
    case 'sts:GetCallerIdentity': {
      const account = state.arn.split(':')[4]
      const result = `<Arn>${state.arn}</Arn><UserId>AROA</UserId><Account>${account}</Account>`
      return xml(
        `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>${result}</GetCallerIdentityResult></GetCallerIdentityResponse>`,
      )
    }
    case 'ec2:DescribeRegions': {
      const items = Object.entries(state.regions).map(
        ([name, status]) =>
          `<item><regionName>${name}</regionName><optInStatus>${status}</optInStatus></item>`,
      )
      return xml(
        `<DescribeRegionsResponse><regionInfo>${items.join('')}</regionInfo></DescribeRegionsResponse>`,
      )
    }
    case 'ec2:DescribeVpcEndpoints': {
      const found = state.endpoints[input['VpcEndpointId.1'] ?? '']
      if (found === undefined) return refuse(action, 'InvalidVpcEndpointId.NotFound', 400)
      const item = `<item><serviceName>${found.service}</serviceName><state>${found.state}</state></item>`
      return xml(
        `<DescribeVpcEndpointsResponse><vpcEndpointSet>${item}</vpcEndpointSet></DescribeVpcEndpointsResponse>`,
      )
    }
    case 'lambda:GetAccountSettings':
      return json({
        AccountLimit: {
          ConcurrentExecutions: state.limit,
          UnreservedConcurrentExecutions: state.unreserved,
        },
      })
    case 'servicequotas:GetServiceQuota': {
      const value = state.quotas[input.QuotaCode ?? '']
      return value === undefined
        ? refuse(action, 'NoSuchResourceException', 400)
        : json({ Quota: { QuotaCode: input.QuotaCode, Value: value } })
    }
    case 'servicequotas:GetAWSDefaultServiceQuota':
      return json({ Quota: { QuotaCode: input.QuotaCode, Value: 0 } })
    case 'acm:DescribeCertificate': {
      const found = state.certificates[input.CertificateArn ?? '']
      if (found === undefined) return refuse(action, 'ResourceNotFoundException', 400)
      const { status, names } = found
      return json({
        Certificate: { Status: status, DomainName: names[0], SubjectAlternativeNames: names },
      })
    }
    case 'route53:GetHostedZone': {
      const found = state.zones[input.Id ?? '']
      if (found === undefined) return refuse(action, 'NoSuchHostedZone', 404)
      const config = `<Config><PrivateZone>${found.isPrivate}</PrivateZone></Config>`
      return xml(
        `<GetHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZone><Id>/hostedzone/${input.Id}</Id><Name>${found.name}.</Name><CallerReference>r</CallerReference>${config}</HostedZone></GetHostedZoneResponse>`,
      )
    }
    default:
      return refuse(action, 'UnknownOperationException', 400)
  }
}

const json = (body: object, status = 200): Answer => ({ status, body: JSON.stringify(body) })
const xml = (body: string, status = 200): Answer => ({ status, body })

/** A refusal in the protocol of the service. */
function refuse(action: string, code: string, status: number): Answer {
  const message = `${code}: ${action}`
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  if (action.startsWith('ec2:'))
    return xml(`<Response><Errors>${error}</Errors></Response>`, status)
  if (/^(sts|route53):/.test(action)) return xml(`<ErrorResponse>${error}</ErrorResponse>`, status)
  return json({ __type: code, code, message }, status)
}
