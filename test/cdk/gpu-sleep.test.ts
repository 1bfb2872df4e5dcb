import { createRequire } from 'node:module'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RULE_PRIORITY } from '../../cdk/constructs/asleep-rules.ts'
import { WAKING_CODE } from '../../cdk/constructs/waking-function.ts'
import { renderError } from '../../functions/api/responses/errors.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { EVERYTHING, ofType, onlyOf, type Synthesis, synthesize } from './synthesize.ts'

const STACK = 'EspalierGpuApi'
const KEYS = EVERYTHING['gpu.keys'] as string
const GPU = { ...EVERYTHING, stacks: 'store,cpu,gpu' }
const WITH_FALLBACK = { ...GPU, 'cpu.iam': 'false', 'cpu.keys': KEYS, 'gpu.fallback': 'true' }

interface WakingEvent {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

interface WakingAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A fresh copy of the function, as Lambda starts one. */
function startCopy(): (event: WakingEvent) => Promise<WakingAnswer> {
  const module: { handler?: (event: WakingEvent) => Promise<WakingAnswer> } = {}
  new Function('exports', 'require', WAKING_CODE)(module, createRequire(import.meta.url))
  if (module.handler === undefined) throw new Error('the code has no handler')
  return module.handler
}

describe('the answer while the GPU is being started', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each([
    ['/v1/embeddings', 'unified'],
    ['/embed', 'tei'],
    ['/embed/', 'tei'],
  ] as const)('to %s has the form of the service', async (path, form) => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const answer = await startCopy()({ path, headers: { 'x-request-id': 'req-1' } })
    const message = 'the GPU is being started; try again in 300 seconds'
    const error = new EspalierError('model_loading', message, { retryAfterSeconds: 300 })
    const expected = renderError(error, form, path, 'req-1')
    expect(answer.statusCode).toBe(expected.status)
    expect(JSON.parse(answer.body)).toEqual(expected.body)
    expect(answer.headers).toMatchObject({ ...expected.headers, 'x-request-id': 'req-1' })
  })

  it('says how long it takes yet, and starts anew with the next attempt', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const call = startCopy()
    const waitOf = async (minutes: number) => {
      vi.setSystemTime(1_800_000_000_000 + minutes * 60_000)
      const { headers } = await call({ path: '/v1/embeddings' })
      return headers['retry-after']
    }
    expect(await waitOf(0)).toBe('300')
    expect(await waitOf(2)).toBe('180')
    expect(await waitOf(7)).toBe('30')
    expect(await waitOf(70)).toBe('300')
  })

  it('takes no id of a request that could be anything', async () => {
    const answer = await startCopy()({ path: '/embed', headers: { 'x-request-id': 'a\r\nb: c' } })
    expect(answer.headers['x-request-id']).toMatch(/^req_[0-9a-f]{24}$/)
  })

  it('fits into a template, on a runtime that has what it asks for', () => {
    expect(WAKING_CODE.length).toBeLessThan(4096)
    const functions = ofType(synthesize(GPU), STACK, 'AWS::Lambda::Function')
    expect(functions.map(({ Properties }) => Properties?.Runtime)).toEqual(['nodejs24.x'])
  })
})

interface State {
  readonly Type: string
  readonly Resource?: string
  readonly Parameters?: { readonly RulePriorities?: { readonly Priority: number }[] }
  readonly ResultPath?: string
  readonly Next?: string
  readonly End?: boolean
  readonly Default?: string
  readonly Choices?: { readonly And: Comparison[]; readonly Next: string }[]
}

interface Comparison {
  readonly Variable: string
  readonly StringEquals?: string
  readonly NumericGreaterThan?: number
}

/** Runs the machine of a template, with what AWS would answer to its two questions. */
function runMachine(synthesis: Synthesis, alarm: string, desired: number): number | undefined {
  const { DefinitionString } = onlyOf<{ DefinitionString: { 'Fn::Join': [string, unknown[]] } }>(
    synthesis,
    STACK,
    'AWS::StepFunctions::StateMachine',
  )
  const parts = DefinitionString['Fn::Join'][1]
  const text = parts.map((part) => (typeof part === 'string' ? part : 'arn')).join('')
  const { StartAt, States } = JSON.parse(text) as {
    StartAt: string
    States: Record<string, State>
  }
  const data: Record<string, string | number> = {}
  for (let name: string | undefined = StartAt; name !== undefined; ) {
    const state: State | undefined = States[name]
    if (state === undefined) throw new Error(`there is no state ${name}`)
    if (state.Resource?.endsWith('describeAlarms')) data['$.alarm.state'] = alarm
    if (state.Resource?.endsWith('describeServices')) data['$.service.desired'] = desired
    if (state.End) return state.Parameters?.RulePriorities?.[0]?.Priority
    const holds = ({ Variable, StringEquals, NumericGreaterThan = -1 }: Comparison) => {
      const value = data[Variable]
      return StringEquals === undefined
        ? Number(value) > NumericGreaterThan
        : value === StringEquals
    }
    name = state.Choices?.find(({ And }) => And.every(holds))?.Next ?? state.Default ?? state.Next
  }
  return undefined
}

describe('the switch between tasks and who answers without them', () => {
  const synthesis = synthesize(WITH_FALLBACK)

  it.each([
    ['a task can answer', 'ALARM', 1, RULE_PRIORITY.awake],
    ['a task is being started', 'OK', 1, RULE_PRIORITY.asleep],
    ['the last task is told to stop, and can still answer', 'ALARM', 0, RULE_PRIORITY.asleep],
    ['there is none', 'OK', 0, RULE_PRIORITY.asleep],
    ['nothing is known yet', 'INSUFFICIENT_DATA', 1, RULE_PRIORITY.asleep],
    ['all tasks are unhealthy', 'OK', 2, RULE_PRIORITY.asleep],
  ])('when %s', (_, alarm, desired, priority) => {
    expect(runMachine(synthesis, alarm, desired)).toBe(priority)
  })

  it('leaves each other rule its place', () => {
    const rules = ofType(synthesis, STACK, 'AWS::ElasticLoadBalancingV2::ListenerRule')
    const places = rules.map(({ Properties }) => Number(Properties?.Priority))
    expect(places.filter((place) => place === RULE_PRIORITY.awake)).toHaveLength(1)
    expect(places).not.toContain(RULE_PRIORITY.asleep)
    expect(new Set(places).size).toBe(places.length)
    expect(Math.max(...places)).toBeLessThan(RULE_PRIORITY.asleep)
  })

  it('may do that, and nothing else', () => {
    const policies = ofType(synthesis, STACK, 'AWS::IAM::Policy').filter(({ Properties }) =>
      JSON.stringify(Properties?.Roles).includes('SwitchRole'),
    )
    expect(policies).toHaveLength(1)
    expect(policies[0]?.Properties?.PolicyDocument).toHaveProperty('Statement', [
      {
        Effect: 'Allow',
        Action: 'cloudwatch:DescribeAlarms',
        Resource: { 'Fn::GetAtt': [expect.stringMatching(/SwitchAwake/), 'Arn'] },
      },
      {
        Effect: 'Allow',
        Action: 'ecs:DescribeServices',
        Resource: { Ref: expect.stringMatching(/GpuApiService/) },
      },
      {
        Effect: 'Allow',
        Action: 'elasticloadbalancing:SetRulePriorities',
        Resource: { Ref: expect.stringMatching(/GpuApiFrontRule/) },
      },
    ])
  })

  it('is started by the alarm, by a task that stops, by a deployment, and in any case every hour', () => {
    const rules = ofType(synthesis, STACK, 'AWS::Events::Rule').map(({ Properties }) => Properties)
    const sources = JSON.stringify(rules).match(/"source":\["[a-z.]+"\]/g)
    expect(sources?.sort()).toEqual([
      '"source":["aws.cloudformation"]',
      '"source":["aws.cloudwatch"]',
      '"source":["aws.ecs"]',
    ])
    expect(rules.flatMap((rule) => rule?.ScheduleExpression ?? [])).toEqual(['rate(1 hour)'])
    for (const rule of rules) expect(rule?.Targets).toHaveLength(1)
  })

  it('is not there where a task always runs', () => {
    const always = synthesize({ ...GPU, 'gpu.idle': 'never' })
    expect(ofType(always, STACK, 'AWS::StepFunctions::StateMachine')).toEqual([])
  })
})

interface AlarmProperties {
  readonly MetricName?: string
  readonly Threshold: number
  readonly TreatMissingData: string
  readonly AlarmActions?: { Ref: string }[]
  readonly Metrics?: { readonly Expression?: string; readonly MetricStat?: object }[]
  readonly Dimensions?: { readonly Name: string; readonly Value: unknown }[]
}

describe('what starts a task', () => {
  const wakes = (synthesis: Synthesis) =>
    ofType(synthesis, STACK, 'AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties as unknown as AlarmProperties)
      .filter(({ AlarmActions }) => AlarmActions?.some(({ Ref }) => /WakeUp/.test(Ref)))

  it('is an answer of the endpoint on Lambda to a key that it knows, or a call that has to wait', () => {
    const found = wakes(synthesize(WITH_FALLBACK)).map(({ MetricName, Dimensions }) => [
      MetricName,
      /Fallback|Waking/.exec(JSON.stringify(Dimensions))?.[0],
    ])
    expect(found).toEqual(
      expect.arrayContaining([
        ['HTTPCode_ELB_503_Count', undefined],
        ['HTTPCode_Target_2XX_Count', 'Fallback'],
        ['RequestCount', 'Waking'],
      ]),
    )
    expect(found).toHaveLength(3)
  })

  it('adds one, and never sets the number: two tasks stay two', () => {
    const policies = ofType(synthesize(GPU), STACK, 'AWS::ApplicationAutoScaling::ScalingPolicy')
    const steps = policies.flatMap(({ Properties }) => {
      const step = Properties?.StepScalingPolicyConfiguration as
        | { AdjustmentType: string; Cooldown: number; StepAdjustments: object[] }
        | undefined
      return step ? [step] : []
    })
    expect(steps).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          AdjustmentType: 'ChangeInCapacity',
          // Longer than a start takes, or the calls of the same minutes would start a second one.
          Cooldown: 600,
          StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
        }),
        expect.objectContaining({
          AdjustmentType: 'ExactCapacity',
          StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: 0 }],
        }),
      ]),
    )
    expect(steps).toHaveLength(2)
  })

  it('keeps it: answers to callers, and not what a scanner gets', () => {
    const sleep = ofType(synthesize(GPU), STACK, 'AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties as unknown as AlarmProperties)
      .find(({ AlarmActions }) => AlarmActions?.some(({ Ref }) => /FallAsleep/.test(Ref)))
    expect(sleep).toMatchObject({ Threshold: 1, TreatMissingData: 'breaching' })
    const counted = JSON.stringify(sleep?.Metrics).match(/"MetricName":"[A-Za-z0-9_]+"/g)
    expect(counted).toEqual([
      '"MetricName":"DesiredTaskCount"',
      '"MetricName":"HTTPCode_Target_2XX_Count"',
      '"MetricName":"HTTPCode_Target_5XX_Count"',
      '"MetricName":"HTTPCode_ELB_503_Count"',
    ])
  })
})

describe('the alarm that stops the last task', () => {
  const metrics = ofType(synthesize(GPU), STACK, 'AWS::CloudWatch::Alarm')
    .map(({ Properties }) => Properties as unknown as AlarmProperties)
    .find(({ AlarmActions }) => AlarmActions?.some(({ Ref }) => /FallAsleep/.test(Ref)))?.Metrics
  const source = metrics?.find(({ Expression }) => Expression !== undefined)?.Expression ?? ''
  const names = ['wanted', 'answered', 'failed', 'refused'] as const
  const evaluate = new Function('FILL', 'IF', ...names, `return ${source}`)

  it.each([
    ['is quiet', { wanted: 1 }, 0],
    ['has a call', { wanted: 1, answered: 3 }, 3],
    ['has calls that fail', { wanted: 1, failed: 2 }, 2],
    ['has calls that wait for it', { wanted: 1, refused: 1 }, 1],
    ['is not there: it must not stop one that is just being started', {}, 1],
  ])('counts when a task %s', (_, values: Partial<Record<string, number>>, calls) => {
    const fill = (value: number | undefined, other: number) => value ?? other
    const choose = (holds: boolean, one: number, other: number) => (holds ? one : other)
    expect(evaluate(fill, choose, ...names.map((name) => values[name]))).toBe(calls)
  })
})

describe('tasks are added', () => {
  it('by requests in flight, not by a processor that is idle while the GPU works', () => {
    const policies = ofType(synthesize(GPU), STACK, 'AWS::ApplicationAutoScaling::ScalingPolicy')
    const [tracking] = policies.flatMap(
      ({ Properties }) => Properties?.TargetTrackingScalingPolicyConfiguration ?? [],
    ) as [
      {
        TargetValue: number
        PredefinedMetricSpecification?: object
        CustomizedMetricSpecification: { Metrics: { Id: string; Expression?: string }[] }
      },
    ]
    expect(tracking.PredefinedMetricSpecification).toBeUndefined()
    const { Metrics } = tracking.CustomizedMetricSpecification
    expect(Metrics.map(({ Id }) => Id)).toEqual(['busy', 'tasks', 'inFlight'])
    const expression = Metrics[2]?.Expression ?? ''
    const inFlight = new Function('busy', 'tasks', `return ${expression}`)
    // 100 a second of 0.2 seconds each are 20 at once, of which each of two tasks has ten.
    expect(inFlight(100 * 60 * 0.2, 2)).toBe(10)
    expect(inFlight(100 * 60 * 0.2, 2)).toBeLessThan(tracking.TargetValue)
    // When answers take two seconds they wait for the GPU.
    expect(inFlight(100 * 60 * 2, 2)).toBeGreaterThan(tracking.TargetValue)
  })

  it('as soon as is asked for', () => {
    const text = synthesize({ ...GPU, 'gpu.flight': '16' }).text(STACK)
    expect(text).toContain('"TargetValue": 16')
    expect(() => synthesize({ ...GPU, 'gpu.flight': '513' })).toThrow(/from 1 to 512/)
  })
})

describe('names of the role of the instances', () => {
  const NAME = 'A'.repeat(32)
  const names = (region: string, values: Readonly<Record<string, string>>) => {
    const stacks = 'store,gpu'
    const image = EVERYTHING['image.gpu'] as string
    const synthesis = synthesize({
      ...EVERYTHING,
      stacks,
      region,
      name: NAME,
      'image.gpu': image.replace('eu-west-1', region),
      ...values,
    })
    const { InstanceProfileName } = onlyOf<{ InstanceProfileName: string }>(
      synthesis,
      `${NAME}GpuApi`,
      'AWS::IAM::InstanceProfile',
    )
    const roles = ofType(synthesis, `${NAME}GpuApi`, 'AWS::IAM::Role').flatMap(
      ({ Properties }) => Properties?.RoleName ?? [],
    )
    return [InstanceProfileName, ...roles] as string[]
  }

  it('are different in two regions of an account, and what ECS may pass on', () => {
    const region = { 'gpu.names': 'region' }
    const far = names('ap-southeast-1', region)
    expect(far).toHaveLength(2)
    for (const name of far) expect(name).toMatch(/^ecsInstanceRole-ap-southeast-1-\w{1,33}$/)
    expect(names('eu-west-1', region)).not.toEqual(far)
  })

  it('stay what they were where a stack is deployed', () => {
    expect(names('eu-west-1', {})).toEqual(names('us-east-1', {}))
    const { RoleName } = ofType(synthesize(GPU), STACK, 'AWS::IAM::Role')
      .map(({ Properties }) => Properties as { RoleName?: string })
      .find((properties) => properties.RoleName !== undefined) as { RoleName: string }
    expect(RoleName).toBe('ecsInstanceRoleEspalierGpuApiCapacityProviderD4BB4E24')
  })
})
