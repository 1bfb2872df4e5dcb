import { runSimulation } from '../../cdk/testing.ts'
import type { Synthesis, TemplateResource } from './synthesize.ts'

const ACCOUNT = '123456789012'
const REGION = 'eu-west-1'

/** A request to AWS, as IAM decides on it. */
export interface SimulatedRequest {
  /** ARN of a role; those of a synthesis come from `roleOf`. */
  readonly principal: string
  readonly action: string
  readonly resource: string
  /** Condition keys of the service, such as `s3:if-none-match`. */
  readonly keys?: Readonly<Record<string, string | string[]>>
  /** False for a connection without TLS. */
  readonly tls?: boolean
  /** For a principal of another account: its policy there, and what the bucket's has beside that of the synthesis. */
  readonly guest?: { readonly policy: unknown; readonly bucketStatements: readonly unknown[] }
}

/** `Allowed`, `ExplicitlyDenied` by some statement, or `ImplicitlyDenied` as nothing allows it. */
export type Decision = 'Allowed' | 'ExplicitlyDenied' | 'ImplicitlyDenied'

/** The account that a synthesis would make, as far as rights go. */
export interface SimulatedAccount {
  /** ARN of the only role of a stack whose logical id begins so. */
  roleOf(stack: string, logicalId: string): string
  /** ARN of the only bucket of a stack whose logical id begins so. */
  bucketOf(stack: string, logicalId: string): string
  /** As `bucketOf`, for functions, topics, and log groups as rights to search them are asked for. */
  logGroupOf(stack: string, logicalId: string): string
  functionOf(stack: string, logicalId: string): string
  topicOf(stack: string, logicalId: string): string
  /** What IAM says by the policies of the role, and those of the bucket. */
  decide(request: SimulatedRequest): Promise<Decision>
}

interface Policy {
  readonly name: string
  readonly policy: unknown
}

/** Fills in what a deployment would: names, ARNs, outputs of other stacks. */
export function simulateAccount(synthesis: Synthesis): SimulatedAccount {
  const templates = new Map(
    synthesis.stacks.map((stack) => [stack, JSON.parse(synthesis.text(stack))]),
  )
  const resourcesOf = (stack: string): [string, TemplateResource][] =>
    Object.entries(templates.get(stack)?.Resources ?? {})

  function fill(stack: string, value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => fill(stack, each))
    if (typeof value !== 'object' || value === null) return value
    const [[name, argument] = ['', undefined], ...others] = Object.entries(value)
    const isFunction = others.length === 0 && (name === 'Ref' || name.startsWith('Fn::'))
    if (isFunction) return call(stack, name, argument)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fill(stack, each)]))
  }

  function call(stack: string, name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return refer(stack, String(argument))
      case 'Fn::GetAtt': {
        const [id, attribute] = argument as [string, string]
        if (attribute !== 'Arn') return `${id}.${attribute}`
        return arnOf(stack, id)
      }
      case 'Fn::Join': {
        const [between, parts] = argument as [string, unknown[]]
        return parts.map((part) => fill(stack, part)).join(between)
      }
      case 'Fn::Sub':
        return String(argument).replace(/\$\{([^}]+)\}/g, (_, id: string) => refer(stack, id))
      case 'Fn::GetStackOutput': {
        const { StackName, OutputName } = argument as { StackName: string; OutputName: string }
        return fill(StackName, templates.get(StackName)?.Outputs[OutputName].Value)
      }
      default:
        throw new Error(`${stack} has ${name}, which this reader does not know`)
    }
  }

  function refer(stack: string, id: string): string {
    const pseudo: Readonly<Record<string, string>> = {
      'AWS::AccountId': ACCOUNT,
      'AWS::Partition': 'aws',
      'AWS::Region': REGION,
      'AWS::URLSuffix': 'amazonaws.com',
      'AWS::StackName': stack,
    }
    const isTopic = templates.get(stack)?.Resources[id]?.Type === 'AWS::SNS::Topic'
    return pseudo[id] ?? (isTopic ? arnOf(stack, id) : nameOf(stack, id))
  }

  const nameOf = (stack: string, id: string): string => `${stack}-${id}`.toLowerCase()

  function arnOf(stack: string, id: string): string {
    const type = templates.get(stack)?.Resources[id]?.Type ?? ''
    const name = nameOf(stack, id)
    if (type === 'AWS::S3::Bucket') return `arn:aws:s3:::${name}`
    if (type === 'AWS::IAM::Role') return `arn:aws:iam::${ACCOUNT}:role/${name}`
    if (type === 'AWS::Logs::LogGroup') {
      return `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${name}:*`
    }
    if (type === 'AWS::Lambda::Function') {
      return `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`
    }
    const [, service = ''] = type.toLowerCase().split('::')
    return `arn:aws:${service}:${REGION}:${ACCOUNT}:${name}`
  }

  const find = (stack: string, type: string, logicalId: string): string => {
    const found = resourcesOf(stack).filter(
      ([id, { Type }]) => Type === type && id.startsWith(logicalId),
    )
    if (found.length !== 1) {
      throw new Error(`${stack} has ${found.length} of ${type} that begin with ${logicalId}`)
    }
    return arnOf(stack, found[0]?.[0] ?? '')
  }

  function policiesOfRole(principal: string): Policy[] {
    return synthesis.stacks.flatMap((stack) =>
      resourcesOf(stack).flatMap(([id, { Type, Properties = {} }]) => {
        if (Type === 'AWS::IAM::Role' && arnOf(stack, id) === principal) {
          const inline = (Properties.Policies ?? []) as { PolicyDocument: unknown }[]
          return inline.map((each, i) => ({
            name: `${id}-${i}`,
            policy: fill(stack, each.PolicyDocument),
          }))
        }
        if (Type !== 'AWS::IAM::Policy') return []
        const roles = fill(stack, Properties.Roles ?? []) as string[]
        const isOfRole = roles.some((name) => principal.endsWith(`:role/${name}`))
        return isOfRole ? [{ name: id, policy: fill(stack, Properties.PolicyDocument) }] : []
      }),
    )
  }

  function policyOfBucket(resource: string): unknown {
    const bucket = resource.split(':').at(-1)?.split('/')[0]
    for (const stack of synthesis.stacks) {
      for (const [, { Type, Properties = {} }] of resourcesOf(stack)) {
        if (Type === 'AWS::S3::BucketPolicy' && fill(stack, Properties.Bucket) === bucket) {
          return fill(stack, Properties.PolicyDocument)
        }
      }
    }
    return undefined
  }

  return {
    roleOf: (stack, logicalId) => find(stack, 'AWS::IAM::Role', logicalId),
    bucketOf: (stack, logicalId) => find(stack, 'AWS::S3::Bucket', logicalId),
    logGroupOf: (stack, logicalId) =>
      find(stack, 'AWS::Logs::LogGroup', logicalId).replace(/\*$/, 'log-stream:'),
    functionOf: (stack, logicalId) => find(stack, 'AWS::Lambda::Function', logicalId),
    topicOf: (stack, logicalId) => find(stack, 'AWS::SNS::Topic', logicalId),
    async decide({ principal, action, resource, keys = {}, tls = true, guest }) {
      const isS3 = resource.startsWith('arn:aws:s3:')
      const contextVariables = {
        'aws:PrincipalArn': principal,
        'aws:SecureTransport': String(tls),
        ...(isS3 && tls && { 's3:TlsVersion': '1.3' }),
        ...keys,
      }
      const ownPolicy = isS3 ? policyOfBucket(resource) : keyPolicyOf(resource)
      const resourcePolicy = guest ? addStatements(ownPolicy, guest.bucketStatements) : ownPolicy
      const answer = await runSimulation(
        {
          request: {
            principal,
            action,
            resource: { resource, accountId: ACCOUNT },
            contextVariables,
          },
          identityPolicies: guest
            ? [{ name: 'guest', policy: guest.policy }]
            : policiesOfRole(principal),
          serviceControlPolicies: [],
          resourceControlPolicies: [],
          resourcePolicy,
        },
        {},
      )
      if (answer.resultType !== 'single') throw new Error(JSON.stringify(answer))
      // A key that is dropped unseen would make a condition look as if it had been judged.
      const ignored = (answer.result.ignoredContextKeys ?? []).filter((key) => key in keys)
      if (ignored.length > 0) throw new Error(`${action} knows no ${ignored.join(', ')}`)
      return answer.overallResult
    },
  }
}

function addStatements(policy: unknown, more: readonly unknown[]): unknown {
  const { Statement = [], ...rest } = (policy ?? {}) as { Statement?: unknown[] }
  return { ...rest, Statement: [...Statement, ...more] }
}

/** The policy that a key of KMS has unless somebody gives it another: rights of its account count. */
function keyPolicyOf(resource: string): unknown {
  if (!resource.startsWith('arn:aws:kms:')) return undefined
  const principal = { AWS: `arn:aws:iam::${ACCOUNT}:root` }
  const statement = { Effect: 'Allow', Principal: principal, Action: 'kms:*', Resource: '*' }
  return { Version: '2012-10-17', Statement: [statement] }
}
