import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelStoreStack } from '../../cdk/stacks/model-store-stack.ts'
import { App, Key, Match, Role, ServicePrincipal, Template } from '../../cdk/testing.ts'
import { denials, type WriteRequest } from './bucket-policy.ts'
import { CDK_JSON } from './synthesize.ts'

const HASH = 'a'.repeat(64)

function makeStack(): ModelStoreStack {
  const app = new App({ context: CDK_JSON })
  return new ModelStoreStack(app, 'Store', { env: { region: 'eu-west-1' } })
}

function policyOf(template: Template) {
  const policies = Object.values(template.findResources('AWS::S3::BucketPolicy'))
  const documents = policies.map(({ Properties }) => Properties.PolicyDocument)
  const found = documents.find((document) => JSON.stringify(document).includes('versions'))
  if (found === undefined) throw new Error('no policy speaks of versions')
  return found
}

describe('the bucket of models', () => {
  const stack = makeStack()
  const template = Template.fromStack(stack)

  it('keeps old versions for a while, encrypts, and outlives its stack', () => {
    template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        VersioningConfiguration: { Status: 'Enabled' },
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
          ],
        },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        LoggingConfiguration: { DestinationBucketName: Match.anyValue() },
        LifecycleConfiguration: {
          Rules: [
            { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' },
            {
              NoncurrentVersionExpiration: { NoncurrentDays: 30 },
              ExpiredObjectDeleteMarker: true,
              Status: 'Enabled',
            },
          ],
        },
      },
    })
  })

  it('expires nothing that is current: a version may be in use for years', () => {
    const buckets = Object.values(template.findResources('AWS::S3::Bucket'))
    const models = buckets.find(({ Properties }) => Properties.VersioningConfiguration)
    const rules: { ExpirationInDays?: number }[] = models?.Properties.LifecycleConfiguration.Rules
    expect(rules).toHaveLength(2)
    expect(rules.filter(({ ExpirationInDays }) => ExpirationInDays !== undefined)).toEqual([])
  })

  it('is reached by TLS 1.2 and newer only', () => {
    const policy = policyOf(template)
    const key = 'registry/index.json'
    expect(denials(policy, { key, tls: 'none' })).not.toEqual([])
    expect(denials(policy, { key, tls: '1.1' })).not.toEqual([])
    expect(denials(policy, { key, tls: '1.2' })).toEqual([])
  })

  it('tells the command line where it is', () => {
    const [output] = Object.values(template.findOutputs('Registry'))
    expect(JSON.stringify(output?.Value)).toContain('/registry?region=eu-west-1')
  })
})

describe('writes that the bucket denies', () => {
  const policy = policyOf(Template.fromStack(makeStack()))
  const blob = `registry/blobs/sha256/${HASH}`
  const version = 'registry/models/intent/versions/7.json'

  it.each<[string, WriteRequest]>([
    ['a blob without a condition', { key: blob }],
    ['a version without a condition', { key: version }],
    ['a version in the place of another', { key: version, ifMatch: '"tag"' }],
  ])('%s', (_, request) => {
    expect(denials(policy, request)).not.toEqual([])
  })

  it.each<[string, WriteRequest]>([
    ['a new blob', { key: blob, ifNoneMatch: '*' }],
    ['a blob written again to make it young', { key: blob, ifMatch: '"tag"' }],
    ['the beginning of an upload and its parts', { key: blob, creates: false }],
    ['a new version', { key: version, ifNoneMatch: '*' }],
    ['state that changes', { key: 'registry/models/intent/state.json', ifMatch: '"tag"' }],
    ['state without a condition', { key: 'registry/models/intent/state.json' }],
    ['state of a model that is called versions', { key: 'registry/models/versions/state.json' }],
    ['the index', { key: 'registry/index.json' }],
    [
      'what an idempotency key is bound to',
      { key: `registry/models/intent/requests/${HASH}.json` },
    ],
    ['a sweep', { key: 'registry/sweeps/1.json' }],
  ])('not %s', (_, request) => {
    expect(denials(policy, request)).toEqual([])
  })

  it('denies every unconditional write to what never changes', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/)
    const keys = fc.oneof(
      fc.stringMatching(/^[0-9a-f]{64}$/).map((hash) => `registry/blobs/sha256/${hash}`),
      fc.tuple(name, fc.nat()).map(([model, n]) => `registry/models/${model}/versions/${n}.json`),
    )
    fc.assert(fc.property(keys, (key) => denials(policy, { key }).length > 0))
  })
})

describe('grants', () => {
  function grant(kind: 'grantServe' | 'grantPublish' | 'grantRemove') {
    const stack = makeStack()
    const role = new Role(stack, 'Remover', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
    })
    stack.store[kind](role)
    const template = Template.fromStack(stack)
    const [policy] = Object.values(template.findResources('AWS::IAM::Policy'))
    const text = JSON.stringify(policy?.Properties.PolicyDocument)
    return { template, allowed: new Set(text.match(/s3:[A-Za-z]+/g)) }
  }

  it('let a server read, and no more', () => {
    expect(grant('grantServe').allowed).toEqual(new Set(['s3:GetObject', 's3:ListBucket']))
  })

  it('let a publisher write, and remove nothing but records of sweeps', () => {
    const { template, allowed } = grant('grantPublish')
    expect(allowed).toEqual(
      new Set([
        's3:GetObject',
        's3:ListBucket',
        's3:PutObject',
        's3:AbortMultipartUpload',
        's3:DeleteObject',
      ]),
    )
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: ['s3:DeleteObject', 's3:GetObject'],
            Resource: { 'Fn::Join': ['', [Match.anyValue(), '/registry/sweeps/*']] },
          }),
        ]),
      },
    })
  })

  it('let an operator put a tombstone in the place of a version, and nobody else', () => {
    const { template } = grant('grantRemove')
    const policy = policyOf(template)
    const key = 'registry/models/intent/versions/7.json'
    const named = JSON.stringify(policy).match(/\["(Remover[A-Z0-9]+)","Arn"\]/)?.[1]
    const principal = JSON.stringify({ 'Fn::GetAtt': [named, 'Arn'] })
    expect(denials(policy, { key, ifMatch: '"tag"', principal })).toEqual([])
    expect(denials(policy, { key, ifMatch: '"tag"' })).toEqual(['DenyReplacingVersions'])
    expect(denials(policy, { key, principal })).toEqual(['DenyUnconditionalWrites'])
  })

  it('name roles of elsewhere that may delete versions', () => {
    const removers = ['arn:aws:iam::123456789012:role/operator']
    const app = new App({ context: CDK_JSON })
    const stack = new ModelStoreStack(app, 'Store', { env: { region: 'eu-west-1' }, removers })
    const policy = policyOf(Template.fromStack(stack))
    const request = { key: 'registry/models/intent/versions/7.json', ifMatch: '"tag"' }
    expect(denials(policy, { ...request, principal: removers[0] })).toEqual([])
    expect(denials(policy, request)).toEqual(['DenyReplacingVersions'])
  })

  it('go with the right to a key of your own', () => {
    const app = new App({ context: CDK_JSON })
    const stack = new ModelStoreStack(app, 'Store', { env: { region: 'eu-west-1' } })
    const keyed = new ModelStoreStack(app, 'Keyed', {
      env: { region: 'eu-west-1' },
      encryptionKey: Key.fromKeyArn(
        stack,
        'Key',
        'arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555',
      ),
    })
    const role = new Role(keyed, 'Role', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') })
    keyed.store.grantServe(role)
    Template.fromStack(keyed).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: 'kms:Decrypt',
            Resource: 'arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555',
          }),
        ]),
      },
    })
  })
})
