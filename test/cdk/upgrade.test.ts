import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fullDiff, ResourceImpact } from '../../cdk/testing.ts'
import { type ContextValues, synthesize } from './synthesize.ts'

/** What an earlier version deployed: settings, and the templates that it made of them, by stack. */
interface Deployed {
  readonly values: ContextValues
  readonly templates: Readonly<Record<string, Record<string, unknown>>>
}

/** Types that hold data, names or addresses: nothing of them may go away or be made anew. */
const LASTING = [
  'AWS::ApiGateway::RestApi',
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::DomainName',
  'AWS::Batch::JobQueue',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::NatGateway',
  'AWS::EC2::RouteTable',
  'AWS::EC2::Subnet',
  'AWS::EC2::VPC',
  'AWS::EC2::VPCEndpoint',
  'AWS::ECS::Cluster',
  'AWS::ECS::Service',
  'AWS::ElasticLoadBalancingV2::Listener',
  'AWS::ElasticLoadBalancingV2::LoadBalancer',
  'AWS::Lambda::Alias',
  'AWS::Lambda::Function',
  'AWS::S3::Bucket',
  'AWS::SecretsManager::Secret',
  'AWS::SNS::Topic',
  'AWS::SQS::Queue',
]

/** What an upgrade may take away or make anew, by type and logical ID, each with the reason; anything else fails. */
const REPLACED: readonly (readonly [type: string, id: RegExp, reason: string])[] = [
  ['AWS::Lambda::Version', /./, 'each change of the function is a version; the alias moves on'],
  ['AWS::ApiGateway::Deployment', /./, 'each change of a REST API is deployed anew, same stage'],
  ['AWS::ECS::TaskDefinition', /./, 'each change of a task is a revision; the service moves on'],
  ['AWS::Batch::JobDefinition', /./, 'each change of a job is a revision'],
  [
    'AWS::Batch::ComputeEnvironment',
    /^Jobs/,
    'one with a service role of its own cannot be updated; the queue moves to one with the service-linked role',
  ],
  ['AWS::IAM::Role', /^Jobs\w+ServiceRole/, 'the service roles of those environments go with them'],
  ['AWS::IAM::InstanceProfile', /^JobsGpu/, 'the profile of those environments goes with them'],
  ['AWS::Events::Rule', /^JobsFailures/, 'the rule of failed jobs lies where its topic is'],
]

const REPLACING: readonly string[] = [
  ResourceImpact.WILL_REPLACE,
  ResourceImpact.MAY_REPLACE,
  ResourceImpact.WILL_DESTROY,
  ResourceImpact.WILL_ORPHAN,
]

const folder = new URL('deployed/', import.meta.url)
const listDeployed = () => readdirSync(folder).filter((name) => name.endsWith('.json'))
const read = (name: string): Deployed => JSON.parse(readFileSync(new URL(name, folder), 'utf8'))

function isAllowed(type: string, id: string): boolean {
  return REPLACED.some(([each, pattern]) => each === type && pattern.test(id))
}

/** What CloudFormation would take away or make anew of a stack. */
function findReplaced(before: Record<string, unknown>, after: Record<string, unknown>): string[][] {
  const found: string[][] = []
  fullDiff(before, after).resources.forEachDifference((id, change) => {
    const type = change.oldResourceType
    if (type && REPLACING.includes(change.changeImpact)) found.push([type, id, change.changeImpact])
  })
  return found
}

describe.each(listDeployed())('a deployment of before, %s', (name) => {
  const { values, templates } = read(name)
  const now = synthesize(values)

  it('keeps its stacks', () => {
    expect(now.stacks).toEqual(expect.arrayContaining(Object.keys(templates)))
  })

  it.each(Object.keys(templates))('keeps what lasts in %s', (stack) => {
    const replaced = findReplaced(templates[stack]!, JSON.parse(now.text(stack)))
    expect(replaced.filter(([type]) => LASTING.includes(type!))).toEqual([])
    expect(replaced.filter(([type, id]) => !isAllowed(type!, id!))).toEqual([])
  })
})

describe('the comparison', () => {
  it('sees a subnet that gets other addresses, and a bucket that goes', () => {
    const subnet = (CidrBlock: string) => ({
      Type: 'AWS::EC2::Subnet',
      Properties: { VpcId: 'vpc-1', CidrBlock },
    })
    const before = { Resources: { A: subnet('10.0.0.0/17'), B: { Type: 'AWS::S3::Bucket' } } }
    const after = { Resources: { A: subnet('10.0.0.0/18') } }
    const found = findReplaced(before, after).map(([type]) => type)
    expect(found.sort()).toEqual(['AWS::EC2::Subnet', 'AWS::S3::Bucket'])
  })

  it('has deployments with a network, buckets and an API, and allows nothing that lasts', () => {
    const types = new Set(
      listDeployed().flatMap((name) =>
        Object.values(read(name).templates).flatMap(({ Resources }) =>
          Object.values(Resources as Record<string, { Type: string }>).map(({ Type }) => Type),
        ),
      ),
    )
    for (const type of ['AWS::EC2::VPC', 'AWS::S3::Bucket', 'AWS::ApiGatewayV2::Api']) {
      expect(types).toContain(type)
    }
    expect(REPLACED.filter(([type]) => LASTING.includes(type))).toEqual([])
  })
})
