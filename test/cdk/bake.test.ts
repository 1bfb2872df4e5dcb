import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toFill } from '../../cdk/constructs/bake-machine.ts'
import { BakeTime, type BakeTimeProps } from '../../cdk/constructs/bake-time.ts'
import type { MonitoredEndpoint } from '../../cdk/constructs/endpoint.ts'
import { ModelStoreStack } from '../../cdk/stacks/model-store-stack.ts'
import { App, Key, LogGroup, Match, Stack, Template, Topic } from '../../cdk/testing.ts'
import { BAKE } from '../../functions/events/run-bake.ts'
import { type Decision, type SimulatedRequest, simulateAccount } from './simulated-account.ts'
import { CDK_JSON, EVERYTHING, ofType, onlyOf, SMALLEST, synthesize } from './synthesize.ts'

const OPS = 'EspalierOps'
const BASE = { ...SMALLEST, stacks: 'store,cpu,ops', events: 'true' }
const BAKED = { ...BASE, 'bake.minutes': '10' }
const ACCOUNT = '123456789012'

describe('a deployment with a bake time', () => {
  const synthesis = synthesize({
    ...BAKED,
    'bake.errors': '0.01',
    'bake.latency': '300',
    'bake.alarms': 'conversion, refunds',
  })
  const template = synthesis.template(OPS)

  it('starts on promotions of champions of its store that the bake itself did not make', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['espalier.registry'],
        detail: {
          registry: [Match.anyValue()],
          action: ['promote'],
          alias: ['champion'],
          by: [{ 'anything-but': [BAKE] }, { exists: false }],
        },
      },
      Targets: [
        {
          Arn: { Ref: Match.stringLikeRegexp('^BakeMachine') },
          InputPath: '$.detail',
          Id: 'Target0',
          RoleArn: Match.anyValue(),
        },
      ],
    })
  })

  it('has a machine whose text is whole, with its limits in it', () => {
    const { DefinitionString, DefinitionSubstitutions } = onlyOf<{
      DefinitionString: string
      DefinitionSubstitutions: Record<string, unknown>
    }>(synthesis, OPS, 'AWS::StepFunctions::StateMachine')
    const named = [...DefinitionString.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)
    expect(Object.keys(DefinitionSubstitutions).sort()).toEqual([...new Set(named)].sort())
    const { States } = JSON.parse(DefinitionString)
    expect(States.Ask.Parameters.Payload.settings).toMatchObject({
      minutes: 10,
      errors: 0.01,
      latencyMs: 300,
      logGroups: [toFill('LogGroup0')],
    })
    expect(States.LookAtAlarms.Parameters.AlarmNames).toEqual(['conversion', 'refunds'])
    expect(States.Wait.Next).toBe('LookAtAlarms')
  })

  it('has a machine each of whose states is led to, and leads to one that there is', () => {
    const { DefinitionString } = onlyOf<{ DefinitionString: string }>(
      synthesis,
      OPS,
      'AWS::StepFunctions::StateMachine',
    )
    const { StartAt, States } = JSON.parse(DefinitionString) as { StartAt: string; States: object }
    const next = [...JSON.stringify(States).matchAll(/"(?:Next|Default)":"(\w+)"/g)]
    const led = new Set([StartAt, ...next.map(([, name]) => name)])
    expect([...led].sort()).toEqual(Object.keys(States).sort())
  })

  it('searches the logs of both endpoints where there are two', () => {
    const both = synthesize({
      ...EVERYTHING,
      stacks: 'store,cpu,gpu,ops',
      events: 'true',
      'bake.minutes': '1',
    })
    const [machine] = ofType(both, OPS, 'AWS::StepFunctions::StateMachine')
    expect(machine?.Properties?.DefinitionSubstitutions).toMatchObject({
      LogGroup0: { 'Fn::GetStackOutput': expect.objectContaining({ StackName: 'EspalierCpuApi' }) },
      LogGroup1: { 'Fn::GetStackOutput': expect.objectContaining({ StackName: 'EspalierGpuApi' }) },
    })
  })

  it('runs a function of Node from the same folder as that of the events', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Handler: 'bake.handler',
      Timeout: 30,
    })
  })

  it('changes no resource of another stack, and none of its own', () => {
    const before = synthesize(BASE)
    const after = synthesize(BAKED)
    expect(after.stacks).toEqual(before.stacks)
    for (const stack of ['EspalierModelStore', 'EspalierCpuApi']) {
      expect(after.resources(stack)).toEqual(before.resources(stack))
    }
    const kept = Object.entries(after.resources(OPS)).filter(([id]) => !id.startsWith('Bake'))
    expect(Object.fromEntries(kept)).toEqual(before.resources(OPS))
    const types = Object.values(before.resources(OPS)).map(({ Type }) => Type)
    expect(types).not.toContain('AWS::StepFunctions::StateMachine')
  })
})

/** The construct in a stack of its own, over a store with or without a key. */
function makeBake(props: Partial<BakeTimeProps>, keyArn?: string): Stack {
  const app = new App({ context: CDK_JSON })
  const env = { region: 'eu-west-1' }
  const stack = new Stack(app, 'Ops', { env })
  const encryptionKey = keyArn ? Key.fromKeyArn(stack, 'Key', keyArn) : undefined
  const store = { env, encryptionKey, withEvents: true }
  const { modelEvents } = new ModelStoreStack(app, 'Store', store)
  const logGroup = new LogGroup(stack, 'Lines')
  new BakeTime(stack, 'Bake', {
    events: modelEvents!,
    endpoints: [{ logGroup } as unknown as MonitoredEndpoint],
    topic: new Topic(stack, 'Topic'),
    minutes: 5,
    ...props,
  })
  return stack
}

describe('a bake time that cannot be', () => {
  it.each([
    [{ events: 'false' }, /bake\.minutes is set, and events is not true/],
    [{ stacks: 'store,cpu' }, /stacks has no ops/],
    [{ stacks: 'store,train,ops' }, /stacks has neither cpu nor gpu/],
    [
      { 'bake.minutes': '0' },
      /the bake time is 0 minutes; it must be a whole number from 1 to 240/,
    ],
    [{ 'bake.minutes': '241' }, /from 1 to 240/],
    [{ 'bake.minutes': 'ten' }, /bake\.minutes is "ten"; it must be a whole number/],
    [{ 'bake.errors': '5' }, /bake\.errors is "5"; it must be a number from 0 to 1/],
    [{ 'bake.errors': '5%' }, /bake\.errors is "5%"/],
    [
      { 'bake.latency': '0' },
      /the time to answer is 0 ms; it must be a whole number from 1 to 600000/,
    ],
    [{ 'bake.alarms': Array.from({ length: 11 }, (_, i) => `a${i}`).join(',') }, /from 0 to 10/],
    [{ 'bake.minutes': '', 'bake.errors': '0.1' }, /bake\.errors is set, and bake\.minutes is not/],
    [{ 'bake.minutes': '', 'bake.latency': '9' }, /bake\.latency is set/],
    [{ 'bake.minutes': '', 'bake.alarms': 'a' }, /bake\.alarms is set/],
  ])('is refused: %j', (values, message) => {
    expect(() => synthesize({ ...BAKED, ...values })).toThrow(message)
  })

  it('is one without a log, or with a share beyond all answers', () => {
    expect(() => makeBake({ endpoints: [] })).toThrow('there is no endpoint whose log')
    expect(() => makeBake({ errors: 1.5 })).toThrow('the share of failed answers is 1.5')
  })

  it('is one whose function was not built', () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-no-bake-'))
    try {
      expect(() => makeBake({ folder })).toThrow(/no bake\.mjs in .*build:events/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the function of a bake', () => {
  const account = simulateAccount(
    synthesize({
      ...EVERYTHING,
      stacks: 'store,cpu,gpu,train,ops',
      events: 'true',
      'bake.minutes': '5',
    }),
  )
  const principal = account.roleOf(OPS, 'BakeRole')
  const models = account.bucketOf('EspalierModelStore', 'ModelsBucket')
  const data = account.bucketOf('EspalierTrain', 'JobsDataBucket')
  const of = (key: string) => `${models}/registry/${key}`
  const state = of('models/intent/state.json')
  const version = of('models/intent/versions/7.json')
  const blob = of(`blobs/sha256/${'a'.repeat(64)}`)
  const created = { 's3:ObjectCreationOperation': 'true' }
  const fresh = { ...created, 's3:if-none-match': '*' }
  const log = (stack: string, id: string) => account.logGroupOf(stack, id)

  it.each<[string, string, Decision, SimulatedRequest['keys']?]>([
    ['s3:ListBucket', models, 'Allowed'],
    ['s3:GetObject', state, 'Allowed'],
    ['s3:GetObject', version, 'Allowed'],
    ['s3:GetObject', of('index.json'), 'Allowed'],
    ['s3:PutObject', state, 'Allowed', created],
    ['s3:PutObject', of('index.json'), 'Allowed', created],
    ['s3:PutObject', version, 'ImplicitlyDenied', fresh],
    ['s3:PutObject', version, 'ExplicitlyDenied', created],
    ['s3:PutObject', blob, 'ImplicitlyDenied', fresh],
    ['s3:GetObject', blob, 'ImplicitlyDenied'],
    ['s3:PutObject', of('models/intent/other.json'), 'ImplicitlyDenied', created],
    ['s3:PutObject', of('sweeps/1.json'), 'ImplicitlyDenied', created],
    ['s3:PutObject', `${models}/other/models/intent/state.json`, 'ImplicitlyDenied', created],
    ['s3:GetObject', `${models}/other/models/intent/state.json`, 'ImplicitlyDenied'],
    ['s3:PutObject', `${data}/models/intent/state.json`, 'ImplicitlyDenied', created],
    ['s3:ListBucket', data, 'ImplicitlyDenied'],
    ['s3:DeleteObject', state, 'ImplicitlyDenied'],
    ['s3:DeleteObject', version, 'ImplicitlyDenied'],
    ['logs:StartQuery', log('EspalierCpuApi', 'CpuApiServiceLogs'), 'Allowed'],
    ['logs:StartQuery', log('EspalierGpuApi', 'GpuApiServiceLogs'), 'Allowed'],
    ['logs:StartQuery', log('EspalierTrain', 'JobsLogs'), 'ImplicitlyDenied'],
    ['logs:StartQuery', log(OPS, 'BakeLogs'), 'ImplicitlyDenied'],
    // Which query it is nobody can say but by its id.
    ['logs:GetQueryResults', log('EspalierTrain', 'JobsLogs'), 'Allowed'],
    ['logs:FilterLogEvents', log('EspalierCpuApi', 'CpuApiServiceLogs'), 'ImplicitlyDenied'],
  ])('%s on %s: %s', async (action, resource, wanted, keys = {}) => {
    expect(await account.decide({ principal, action, resource, keys })).toBe(wanted)
  })

  it('may decrypt and encrypt where the store has a key of its own', () => {
    const arn = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`
    Template.fromStack(makeBake({}, arn)).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: Match.arrayWith(['kms:Decrypt', 'kms:Encrypt']),
            Resource: arn,
          }),
        ]),
      },
    })
  })
})

describe('the machine of a bake', () => {
  const account = simulateAccount(synthesize({ ...BAKED, 'bake.alarms': 'conversion' }))
  const principal = account.roleOf(OPS, 'BakeMachineRole')
  const alarm = (name: string) => `arn:aws:cloudwatch:eu-west-1:${ACCOUNT}:alarm:${name}`
  const callable = (stack: string, id: string) => account.functionOf(stack, id)

  it.each<[string, string, Decision]>([
    ['lambda:InvokeFunction', callable(OPS, 'BakeFunction'), 'Allowed'],
    ['lambda:InvokeFunction', callable('EspalierModelStore', 'EventsFunction'), 'ImplicitlyDenied'],
    [
      'lambda:InvokeFunction',
      callable('EspalierCpuApi', 'CpuApiServiceFunction'),
      'ImplicitlyDenied',
    ],
    ['sns:Publish', account.topicOf(OPS, 'OperationsAlarms'), 'Allowed'],
    ['sns:Publish', `arn:aws:sns:eu-west-1:${ACCOUNT}:other`, 'ImplicitlyDenied'],
    ['cloudwatch:DescribeAlarms', alarm('conversion'), 'Allowed'],
    ['cloudwatch:DescribeAlarms', alarm('other'), 'ImplicitlyDenied'],
  ])('%s on %s: %s', async (action, resource, wanted) => {
    expect(await account.decide({ principal, action, resource })).toBe(wanted)
  })

  it('reads no alarm where none is named', () => {
    expect(synthesize(BAKED).text(OPS)).not.toContain('cloudwatch:DescribeAlarms')
  })
})
