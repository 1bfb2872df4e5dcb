import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type App, CfnBucket, Stack, Validations } from '../../cdk/testing.ts'
import { SETTINGS } from '../../shared/deployment/settings.ts'
import { CDK_JSON, compose, EVERYTHING, type Synthesis, synthesize } from './synthesize.ts'

const root = new URL('../../', import.meta.url)

describe('everything', () => {
  let all: Synthesis

  beforeAll(() => {
    // Throws where AwsSolutions or CloudFormation's own rules find something that nobody accepted.
    all = synthesize(EVERYTHING)
  })

  it('has the stacks that were asked for, and a network for them', () => {
    expect([...all.stacks].sort()).toEqual([
      'EspalierBulk',
      'EspalierCpuApi',
      'EspalierGpuApi',
      'EspalierModelStore',
      'EspalierNetwork',
      'EspalierOps',
      'EspalierTrain',
    ])
  })

  it('looks nothing up, so that no account is needed', () => {
    expect(all.missing).toEqual([])
  })

  it('is the same, byte for byte, when it is made again', () => {
    const again = synthesize(EVERYTHING)
    expect(again.stacks).toEqual(all.stacks)
    for (const stack of all.stacks) expect(again.text(stack)).toBe(all.text(stack))
  })

  it('allows no action by a wildcard', () => {
    const actions = all.stacks
      .flatMap((stack) => statements(all, stack))
      .flatMap(({ Action }) => Action)
    expect(actions.length).toBeGreaterThan(20)
    expect(actions.filter((action) => action.includes('*'))).toEqual([])
  })

  it('allows actions on everything only where AWS knows no narrower resource', () => {
    const open = all.stacks
      .flatMap((stack) => statements(all, stack))
      .filter(({ Resource }) => [Resource].flat().includes('*'))
      .flatMap(({ Action }) => Action)
    expect([...new Set(open)].sort()).toEqual([
      'batch:describeJobs',
      'ecr:GetAuthorizationToken',
      'ecs:DiscoverPollEndpoint',
    ])
  })

  it('stops at what nobody accepted', () => {
    const careless = (app: App) => {
      new CfnBucket(new Stack(app, 'Careless'), 'Open')
    }
    expect(() => synthesize(EVERYTHING, careless)).toThrow(/[Vv]alidation/)
  })

  it('says for each finding that it accepts why', () => {
    const reasons = compose(EVERYTHING)
      .node.findAll()
      .flatMap(({ node }) => node.metadata)
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.values(data as Record<string, string>))
    expect(reasons.length).toBeGreaterThan(10)
    for (const reason of reasons) expect(reason).toMatch(/^.{20,}$/)
  })

  it('bounds every role where a boundary is given', () => {
    const permissionsBoundary = 'arn:aws:iam::123456789012:policy/boundary'
    const bounded = synthesize({ ...EVERYTHING, permissionsBoundary })
    const roles = bounded.stacks.flatMap((stack) =>
      Object.values(bounded.resources(stack)).filter(({ Type }) => Type === 'AWS::IAM::Role'),
    )
    expect(roles.length).toBeGreaterThan(10)
    for (const { Properties } of roles) {
      expect(Properties?.PermissionsBoundary).toBe(permissionsBoundary)
    }
  })

  it('lies in a network that is there already, without a look at it', () => {
    const inside = synthesize({
      ...EVERYTHING,
      'vpc.id': 'vpc-0123456789abcdef0',
      'vpc.cidr': '10.1.0.0/16',
      'vpc.zones': 'eu-west-1a,eu-west-1b',
      'vpc.public': 'subnet-00000000000000001,subnet-00000000000000002',
      'vpc.private': 'subnet-00000000000000003,subnet-00000000000000004',
    })
    expect(inside.stacks).not.toContain('EspalierNetwork')
    expect(inside.missing).toEqual([])
    inside.template('EspalierTrain').hasResourceProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: {
        Subnets: ['subnet-00000000000000003', 'subnet-00000000000000004'],
      },
    })
  })

  it('goes by the flags of cdk.json', () => {
    // `defaultCrossStackReferences: weak`: a stack can be replaced while others use what it has.
    expect(CDK_JSON['@aws-cdk/core:defaultCrossStackReferences']).toBe('weak')
    expect(all.text('EspalierCpuApi')).toContain('Fn::GetStackOutput')
    expect(all.text('EspalierModelStore')).not.toContain('"Export"')
    // `target-partitions`: no other partition is reckoned with.
    expect(CDK_JSON['@aws-cdk/core:target-partitions']).toEqual(['aws'])
  })
})

describe('docs/deploy.md', () => {
  it('lists every setting with what it means and its default, and nothing else', () => {
    const page = readFileSync(new URL('docs/deploy.md', root), 'utf8')
    const [, section = ''] = /^## Settings$(.*?)^## /ms.exec(page) ?? []
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      )
    expect(rows).toEqual(
      SETTINGS.map(({ key, default: fallback, doc }) => [`\`${key}\``, fallback, doc]),
    )
  })
})

interface Statement {
  readonly Effect: string
  readonly Action: string | string[]
  readonly Resource: unknown
}

/** What the roles of a stack are allowed. */
function statements(synthesis: Synthesis, stack: string): Statement[] {
  return Object.values(synthesis.resources(stack)).flatMap(({ Type, Properties = {} }) => {
    const inline = (Properties.Policies ?? []) as { PolicyDocument: { Statement: Statement[] } }[]
    const documents = Type === 'AWS::IAM::Role' ? inline.map((policy) => policy.PolicyDocument) : []
    if (Type === 'AWS::IAM::Policy') {
      documents.push(Properties.PolicyDocument as { Statement: Statement[] })
    }
    return documents
      .flatMap(({ Statement }) => Statement)
      .filter(({ Effect }) => Effect === 'Allow')
  })
}
