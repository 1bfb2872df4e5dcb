import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ModelEvents } from '../../cdk/constructs/model-events.ts'
import { ModelStoreStack } from '../../cdk/stacks/model-store-stack.ts'
import { App, Key, Match, Queue, SqsQueue, Template } from '../../cdk/testing.ts'
import { EVENT_SOURCE, EVENT_TYPE } from '../../functions/events/change-event.ts'
import { type Decision, type SimulatedRequest, simulateAccount } from './simulated-account.ts'
import { CDK_JSON, EVERYTHING, ofType, SMALLEST, synthesize } from './synthesize.ts'

const STORE = 'EspalierModelStore'
const env = { region: 'eu-west-1' }
const newApp = () => new App({ context: CDK_JSON })

describe('events of models', () => {
  const synthesis = synthesize({ ...SMALLEST, stacks: 'store,cpu,ops', events: 'true' })
  const template = synthesis.template(STORE)

  it('begin at the bucket, without a function that changes it', () => {
    template.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    })
    template.resourceCountIs('AWS::Lambda::Function', 1)
    template.resourceCountIs('Custom::S3BucketNotifications', 0)
  })

  it('are made of new versions of states alone', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: {
          bucket: { name: [{ Ref: Match.stringLikeRegexp('^ModelsBucket') }] },
          object: { key: [{ wildcard: 'registry/models/*/state.json' }] },
        },
      },
      Targets: [{ Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^EventsFunction'), 'Arn'] } }],
    })
  })

  it('are made by a function of Node that is tried three times at most', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Handler: 'handler.handler',
      MemorySize: 256,
      Timeout: 30,
      LoggingConfig: { LogGroup: { Ref: Match.stringLikeRegexp('^EventsLogs') } },
    })
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 2 })
    template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 })
  })

  it('are missed by an alarm where one fails', () => {
    synthesis.template('EspalierOps').hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'AWS/Lambda',
      MetricName: 'Errors',
      Threshold: 0,
      AlarmDescription: Match.anyValue(),
      Dimensions: [
        {
          Name: 'FunctionName',
          Value: Match.objectLike({ 'Fn::GetStackOutput': Match.anyValue() }),
        },
      ],
    })
  })

  it('change nothing of what is deployed without them, but for the bucket, which stays', () => {
    const values = { ...EVERYTHING, stacks: 'store,cpu,ops' }
    const before = synthesize(values)
    const after = synthesize({ ...values, events: 'true' })
    expect(synthesize({ ...values, events: 'false' }).text(STORE)).toBe(before.text(STORE))
    expect(after.text('EspalierCpuApi')).toBe(before.text('EspalierCpuApi'))
    const changed = Object.entries(before.resources(STORE)).filter(
      ([id, resource]) => JSON.stringify(after.resources(STORE)[id]) !== JSON.stringify(resource),
    )
    expect(changed.map(([id]) => id)).toEqual([expect.stringMatching(/^ModelsBucket[0-9A-F]{8}$/)])
    const [[id = '', bucket] = []] = changed
    const { NotificationConfiguration: _, ...others } = after.resources(STORE)[id]?.Properties ?? {}
    expect(others).toEqual(bucket?.Properties)
    expect(ofType(before, STORE, 'AWS::Lambda::Function')).toEqual([])
  })
})

describe('the function that tells of changes', () => {
  const account = simulateAccount(synthesize({ ...SMALLEST, events: 'true' }))
  const principal = account.roleOf(STORE, 'EventsRole')
  const models = account.bucketOf(STORE, 'ModelsBucket')
  const state = `${models}/registry/models/intent/state.json`
  const bus = 'arn:aws:events:eu-west-1:123456789012:event-bus/default'
  const from = (...sources: string[]): SimulatedRequest['keys'] => ({ 'events:source': sources })

  it.each<[string, string, Decision, SimulatedRequest['keys']?]>([
    ['s3:GetObjectVersion', state, 'Allowed'],
    ['s3:GetObjectVersion', `${models}/registry/models/intent/versions/1.json`, 'ImplicitlyDenied'],
    ['s3:GetObjectVersion', `${models}/registry/index.json`, 'ImplicitlyDenied'],
    ['s3:GetObjectVersion', `${models}/other/models/intent/state.json`, 'ImplicitlyDenied'],
    ['s3:GetObject', state, 'ImplicitlyDenied'],
    ['s3:PutObject', state, 'ImplicitlyDenied'],
    ['s3:DeleteObject', state, 'ImplicitlyDenied'],
    ['s3:ListBucket', models, 'ImplicitlyDenied'],
    ['events:PutEvents', bus, 'Allowed', from(EVENT_SOURCE)],
    ['events:PutEvents', bus, 'ImplicitlyDenied', from('somebody.else')],
    ['events:PutEvents', bus, 'ImplicitlyDenied', from(EVENT_SOURCE, 'somebody.else')],
    ['events:PutEvents', bus, 'ImplicitlyDenied'],
    ['events:PutEvents', bus.replace('default', 'other'), 'ImplicitlyDenied', from(EVENT_SOURCE)],
  ])('%s on %s: %s', async (action, resource, wanted, keys = {}) => {
    expect(await account.decide({ principal, action, resource, keys })).toBe(wanted)
  })

  it('may decrypt where the store has a key of its own', () => {
    const app = newApp()
    const arn = 'arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555'
    const keys = new ModelStoreStack(app, 'Keys', { env })
    const encryptionKey = Key.fromKeyArn(keys, 'Key', arn)
    const stack = new ModelStoreStack(app, 'Keyed', { env, encryptionKey, withEvents: true })
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Action: 'kms:Decrypt', Resource: arn })]),
      },
    })
  })
})

describe('rules on events of models', () => {
  function patternOf(make: (events: ModelEvents, target: SqsQueue) => void): unknown {
    const stack = new ModelStoreStack(newApp(), 'Store', { env, withEvents: true })
    make(stack.modelEvents!, new SqsQueue(new Queue(stack, 'Queue')))
    const rules = Template.fromStack(stack).findResources('AWS::Events::Rule', {
      Properties: { EventPattern: { source: [EVENT_SOURCE] } },
    })
    expect(Object.keys(rules)).toHaveLength(1)
    return Object.values(rules)[0]?.Properties.EventPattern
  }

  it('find promotions and rollbacks of the champion', () => {
    expect(patternOf((events, target) => events.onPromotion('Test', { target }))).toMatchObject({
      'detail-type': [EVENT_TYPE],
      detail: { action: ['promote', 'rollback'], alias: ['champion'] },
    })
  })

  it('find what is asked for, in this registry alone', () => {
    const pattern = patternOf((events, target) =>
      events.onChange('Test', { target, models: ['intent'], actions: ['delete'] }),
    ) as { detail: Record<string, unknown> }
    expect(pattern.detail).toMatchObject({ model: ['intent'], action: ['delete'] })
    expect(JSON.stringify(pattern.detail.registry)).toContain('/registry?region=eu-west-1')
    expect(pattern.detail).not.toHaveProperty('alias')
  })
})

describe('a clone in which the function was not built', () => {
  it('is told how to build it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-no-events-'))
    try {
      const { store } = new ModelStoreStack(newApp(), 'Store', { env })
      expect(() => new ModelEvents(store, 'Events', { store, folder })).toThrow(
        /no handler\.mjs in .*npm run build:events/,
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
