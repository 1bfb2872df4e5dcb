import { beforeAll, describe, expect, it } from 'vitest'
import { compose, EVERYTHING, ofType, onlyOf, type Synthesis, synthesize } from './synthesize.ts'

const STACK = 'EspalierOps'

/** What an endpoint is, and the dimension of metrics that names it. */
const ENDPOINTS = {
  'AWS::ApiGatewayV2::Api': 'ApiId',
  'AWS::ApiGateway::RestApi': 'ApiName',
  'AWS::ElasticLoadBalancingV2::LoadBalancer': 'LoadBalancer',
} as const

interface Dimension {
  readonly Name: string
  readonly Value: unknown
}

interface Measured {
  readonly MetricName: string
  readonly Dimensions: readonly Dimension[]
}

interface AlarmProperties extends Partial<Measured> {
  /** Of an alarm on several metrics. */
  readonly Metrics?: readonly { readonly MetricStat?: { readonly Metric: Measured } }[]
  readonly AlarmActions: readonly unknown[]
  readonly AlarmDescription: string
}

interface RuleProperties {
  readonly EventPattern: {
    readonly source: readonly string[]
    readonly 'detail-type': readonly string[]
    readonly detail: { readonly status?: readonly string[]; readonly jobQueue: readonly unknown[] }
  }
  readonly Targets: readonly { readonly Arn: unknown; readonly InputTransformer: unknown }[]
}

interface TopicPolicy {
  readonly Statement: readonly {
    readonly Effect: 'Allow' | 'Deny'
    readonly Action: string
    readonly Principal: '*' | { readonly Service: string }
    readonly Condition: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  }[]
}

interface Publisher {
  readonly service: string
  readonly account?: string
  /** Logical id of a rule. */
  readonly rule?: string
  readonly tls?: boolean
}

/** What SNS decides, by the parts of IAM that the policy uses. */
function mayPublish(
  policy: TopicPolicy,
  { service, account, rule, tls = true }: Publisher,
): boolean {
  const keys: Record<string, unknown> = {
    'aws:SecureTransport': String(tls),
    'aws:SourceAccount': account && { Ref: account },
    'aws:SourceArn': rule && { 'Fn::GetAtt': [rule, 'Arn'] },
  }
  const effects = policy.Statement.filter(
    ({ Action, Principal, Condition }) =>
      Action === 'sns:Publish' &&
      (Principal === '*' || Principal.Service === service) &&
      Object.values(Condition).every((operator) =>
        Object.entries(operator).every(([key, wanted]) => {
          if (!(key in keys)) throw new Error(`the policy asks for ${key}`)
          return JSON.stringify(keys[key]) === JSON.stringify(wanted)
        }),
      ),
  ).map(({ Effect }) => Effect)
  return effects.includes('Allow') && !effects.includes('Deny')
}

describe('what is watched', () => {
  let synthesis: Synthesis
  let alarms: AlarmProperties[]

  beforeAll(() => {
    synthesis = synthesize(EVERYTHING)
    alarms = ofType(synthesis, STACK, 'AWS::CloudWatch::Alarm').map(
      ({ Properties }) => Properties as unknown as AlarmProperties,
    )
  })

  it('is every endpoint: one alarm at least for errors and one for slowness, which tell somebody', () => {
    const endpoints = synthesis.stacks.flatMap((stack) =>
      Object.entries(synthesis.resources(stack)).flatMap(([id, { Type }]) =>
        Type in ENDPOINTS ? [{ id, dimension: ENDPOINTS[Type as keyof typeof ENDPOINTS] }] : [],
      ),
    )
    expect(endpoints).toHaveLength(2)
    for (const { id, dimension } of endpoints) {
      const own = alarms
        .flatMap(({ MetricName, Dimensions, Metrics = [] }) => [
          ...(MetricName && Dimensions ? [{ MetricName, Dimensions }] : []),
          ...Metrics.flatMap(({ MetricStat }) => MetricStat?.Metric ?? []),
        ])
        .filter(({ Dimensions }) =>
          Dimensions.some(
            ({ Name, Value }) => Name === dimension && JSON.stringify(Value).includes(id),
          ),
        )
      expect(own.map(({ MetricName }) => MetricName)).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^5xx$|5XX/),
          expect.stringMatching(/Latency|ResponseTime/),
        ]),
      )
    }
    for (const { AlarmActions } of alarms) {
      expect(AlarmActions).toEqual([{ Ref: expect.stringMatching(/Alarms/) }])
    }
  })

  it('is named by what other stacks give as it is: CloudFormation splits no value of another stack', () => {
    expect(synthesis.text(STACK)).toContain('Fn::GetStackOutput')
    expect(synthesis.text(STACK)).not.toContain('Fn::Split')
  })

  it('is drift: lines of its tests are counted where they give an alarm, by endpoint', () => {
    const filters = ofType(synthesis, STACK, 'AWS::Logs::MetricFilter')
    expect(filters).toHaveLength(2)
    for (const { Properties } of filters) {
      // As the service logs them: {"msg":"drift","alarm":true,…}.
      expect(Properties?.FilterPattern).toBe('{ ($.msg = "drift") && ($.alarm IS TRUE) }')
      const made = Properties?.MetricTransformations as readonly Readonly<Record<string, string>>[]
      expect(made).toHaveLength(1)
      expect(made[0]).toMatchObject({ MetricNamespace: 'Espalier', MetricValue: '1' })
      // Without calls there is no value, and nothing to be paid for.
      expect(made[0]).not.toHaveProperty('DefaultValue')
      const alarm = alarms.find((each) => each.MetricName === made[0]!.MetricName)
      expect(alarm).toMatchObject({ Statistic: 'Sum', Period: 3600, Threshold: 0 })
      expect(alarm?.AlarmDescription).toContain('"drift"')
    }
  })

  it('is every kind of job', () => {
    const described = alarms.map(({ AlarmDescription }) => AlarmDescription)
    expect(described).toContain('Espalier Train: A job failed for good: see its log')
    expect(described).toContain('Espalier Bulk: A job failed for good: see its log')
  })

  it('tells of each job that failed, and of each that cannot start, by name', () => {
    const rules = ofType(synthesis, STACK, 'AWS::Events::Rule').map(
      ({ Properties }) => Properties as unknown as RuleProperties,
    )
    const told = rules.filter(
      ({ EventPattern: { source, detail } }) =>
        source.includes('aws.batch') && !detail.status?.includes('RUNNABLE'),
    )
    const kinds = told.map(({ EventPattern: { 'detail-type': kind, detail } }) => [
      ...kind,
      ...(detail.status ?? []),
    ])
    const each = [['Batch Job State Change', 'FAILED'], ['Batch Job Queue Blocked']]
    expect(kinds).toEqual([...each, ...each])
    for (const { Targets, EventPattern } of told) {
      expect(EventPattern.detail.jobQueue.length).toBeGreaterThan(0)
      expect(Targets).toHaveLength(1)
      expect(Targets[0]?.Arn).toEqual({ Ref: expect.stringMatching(/Alarms/) })
      expect(JSON.stringify(Targets[0]?.InputTransformer)).toContain('$.detail.jobName')
    }
  })

  it('waits for each job that is RUNNABLE, looks again, and tells where it still is', () => {
    const waiting = ofType(synthesis, STACK, 'AWS::Events::Rule').filter(({ Properties }) =>
      JSON.stringify(Properties?.EventPattern).includes('RUNNABLE'),
    )
    expect(waiting).toHaveLength(1)
    const { EventPattern } = waiting[0]!.Properties as unknown as RuleProperties
    // Two queues of training jobs, one of bulk runs.
    expect(EventPattern.detail.jobQueue).toHaveLength(3)
    expect(EventPattern.detail).toMatchObject({
      arrayProperties: { index: [{ exists: false }, 0] },
    })
    const { DefinitionString } = onlyOf<{ DefinitionString: unknown }>(
      synthesis,
      STACK,
      'AWS::StepFunctions::StateMachine',
    )
    const [between, parts] = (DefinitionString as { 'Fn::Join': [string, unknown[]] })['Fn::Join']
    const text = parts.map((part) => (typeof part === 'string' ? part : 'REF')).join(between)
    const { StartAt, States } = JSON.parse(text)
    expect(States[StartAt]).toMatchObject({ Type: 'Wait', Seconds: 1800, Next: 'Look again' })
    expect(States['Look again']).toMatchObject({
      Resource: expect.stringMatching(/:aws-sdk:batch:describeJobs$/),
      Arguments: { Jobs: ['{% $id %}'] },
    })
    expect(States['Still there']).toMatchObject({
      Choices: [{ Condition: "{% $states.input.status = 'RUNNABLE' %}", Next: 'Tell' }],
      Default: 'It went on',
    })
    expect(States.Tell.Arguments.TopicArn).toBe('REF')
  })

  it('waits as long as jobs.stuck says, and not less than a machine takes to start', () => {
    const values = { ...EVERYTHING, stacks: 'store,train,ops' }
    const later = synthesize({ ...values, 'jobs.stuck': '45' })
    expect(later.text(STACK)).toMatch(/Seconds[^0-9]{1,6}2700/)
    expect(() => compose({ ...values, 'jobs.stuck': '4' })).toThrow('jobs.stuck is 4 minutes')
  })

  it('reaches its topic: CloudWatch from this account and rules of its own may publish, over TLS', () => {
    const [policy] = ofType(synthesis, STACK, 'AWS::SNS::TopicPolicy')
    const document = policy?.Properties?.PolicyDocument as TopicPolicy
    const rules = Object.entries(synthesis.resources(STACK))
      .filter(([, { Type }]) => Type === 'AWS::Events::Rule')
      .map(([id]) => id)
    const alarm = { service: 'cloudwatch.amazonaws.com', account: 'AWS::AccountId' }
    expect(mayPublish(document, alarm)).toBe(true)
    expect(mayPublish(document, { ...alarm, account: '210987654321' })).toBe(false)
    expect(mayPublish(document, { ...alarm, tls: false })).toBe(false)
    const direct = rules.filter((id) => !id.includes('Waiting'))
    expect(direct).toHaveLength(4)
    for (const rule of direct) {
      expect(mayPublish(document, { service: 'events.amazonaws.com', rule })).toBe(true)
    }
    expect(mayPublish(document, { service: 'events.amazonaws.com', rule: 'Other' })).toBe(false)
    expect(mayPublish(document, { ...alarm, service: 'lambda.amazonaws.com' })).toBe(false)
  })

  it('tells by mail, over TLS', () => {
    const template = synthesis.template(STACK)
    template.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    })
    expect(JSON.stringify(template.findResources('AWS::SNS::TopicPolicy'))).toContain(
      '"aws:SecureTransport":"false"',
    )
  })

  it('is shown by endpoint, and by model and version', () => {
    const [dashboard] = ofType(synthesis, STACK, 'AWS::CloudWatch::Dashboard')
    const body = JSON.stringify(dashboard?.Properties?.DashboardBody)
    for (const title of ['CpuApi', 'GpuApi']) {
      for (const what of [
        ...['requests', 'errors', 'time to answer, p99', 'models and versions'],
        ...['scores and inputs like the training data', 'labels', 'tests for drift'],
      ]) {
        expect(body).toContain(`${title}: ${what}`)
      }
    }
    expect(body).toContain('by coalesce(heads, model) as version')
  })

  it('goes to a topic that is there already', () => {
    const topic = 'arn:aws:sns:eu-west-1:123456789012:pager'
    const inside = synthesize({ ...EVERYTHING, stacks: 'store,cpu,ops', 'alarms.topic': topic })
    expect(ofType(inside, STACK, 'AWS::SNS::Topic')).toEqual([])
    for (const { Properties } of ofType(inside, STACK, 'AWS::CloudWatch::Alarm')) {
      expect(Properties?.AlarmActions).toEqual([topic])
    }
  })
})
