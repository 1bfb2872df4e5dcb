import { beforeAll, describe, expect, it } from 'vitest'
import { Match, type Template } from '../../cdk/testing.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import { readPairs } from './environment.ts'
import { readErrorGuard } from './error-guard.ts'
import { EVERYTHING, ofType, onlyOf, type Synthesis, synthesize } from './synthesize.ts'

const STACK = 'EspalierGpuApi'
const GPU_ONLY = { ...EVERYTHING, stacks: 'store,gpu' }

interface Container {
  readonly Environment: { Name: string; Value: unknown }[]
}

function containerOf(synthesis: Synthesis): Container {
  const { ContainerDefinitions } = onlyOf<{ ContainerDefinitions: Container[] }>(
    synthesis,
    STACK,
    'AWS::ECS::TaskDefinition',
  )
  const [container] = ContainerDefinitions
  if (container === undefined) throw new Error('the task has no container')
  return container
}

describe('the endpoint on GPUs', () => {
  let synthesis: Synthesis
  let template: Template

  beforeAll(() => {
    synthesis = synthesize(GPU_ONLY)
    template = synthesis.template(STACK)
  })

  it('takes instances with one GPU, and gives them back soon', () => {
    template.hasResourceProperties('AWS::ECS::CapacityProvider', {
      ManagedInstancesProvider: {
        InfrastructureOptimization: { ScaleInAfter: 300 },
        InstanceLaunchTemplate: {
          InstanceRequirements: {
            AcceleratorCount: { Min: 1, Max: 1 },
            AcceleratorManufacturers: ['nvidia'],
            AcceleratorNames: ['t4', 'l4', 'a10g'],
            AcceleratorTypes: ['gpu'],
          },
        },
      },
    })
    template.hasResourceProperties('AWS::ECS::TaskDefinition', {
      RequiresCompatibilities: ['MANAGED_INSTANCES'],
      ContainerDefinitions: [
        Match.objectLike({
          ReadonlyRootFilesystem: true,
          ResourceRequirements: [{ Type: 'GPU', Value: '1' }],
          LinuxParameters: { Tmpfs: [Match.objectLike({ ContainerPath: '/tmp', Size: 4096 })] },
        }),
      ],
    })
  })

  it('gives the service settings that it takes', () => {
    const env = readPairs(containerOf(synthesis).Environment)
    const config = parseConfig(env)
    expect(config).toMatchObject({
      host: '0.0.0.0',
      device: 'cuda',
      precision: 'float16',
      addressShare: 100,
    })
    // A load balancer must not find a connection closed that it believes open, nor a task killed that answers.
    expect(config.keepAliveTimeoutMs).toBeGreaterThan(60_000)
    expect(config.shutdownTimeoutMs).toBeLessThan(30_000)
  })

  it('reads keys of callers itself, so that a changed one needs no deployment', () => {
    const env = readPairs(containerOf(synthesis).Environment)
    expect(env).toMatchObject({ ESPALIER_API_KEYS_FROM: EVERYTHING['gpu.keys'] })
    expect(env).not.toHaveProperty('ESPALIER_OPEN')
    expect(containerOf(synthesis)).not.toHaveProperty('Secrets')
    const policies = ofType(synthesis, STACK, 'AWS::IAM::Policy').filter(({ Properties }) =>
      JSON.stringify(Properties).includes('secretsmanager'),
    )
    expect(policies).toHaveLength(1)
    expect(policies[0]?.Properties).toMatchObject({
      Roles: [{ Ref: expect.stringMatching(/TaskRole/) }],
      PolicyDocument: {
        Statement: expect.arrayContaining([
          {
            Effect: 'Allow',
            Action: 'secretsmanager:GetSecretValue',
            Resource: EVERYTHING['gpu.keys'],
          },
        ]),
      },
    })
  })

  it('speaks HTTPS and nothing else', () => {
    const listeners = ofType(synthesis, STACK, 'AWS::ElasticLoadBalancingV2::Listener')
    expect(listeners).toHaveLength(1)
    expect(listeners[0]?.Properties).toMatchObject({
      Port: 443,
      Protocol: 'HTTPS',
      Certificates: [{ CertificateArn: EVERYTHING['gpu.certificate'] }],
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
    })
    expect(String(listeners[0]?.Properties?.SslPolicy)).toMatch(/TLS13/)
  })

  it('moves a tenth of the calls to a new version first, watching both groups of targets', () => {
    const service = onlyOf<{
      DeploymentConfiguration: { Alarms: { AlarmNames: { Ref: string }[] } }
    }>(synthesis, STACK, 'AWS::ECS::Service')
    expect(service).toMatchObject({
      DeploymentConfiguration: {
        Strategy: 'CANARY',
        CanaryConfiguration: { CanaryPercent: 10, CanaryBakeTimeInMinutes: 5 },
        Alarms: { Enable: true, Rollback: true },
      },
    })
    // The count belongs to scaling: a deployment must not set it.
    expect(service).not.toHaveProperty('DesiredCount')
    const { Alarms } = service.DeploymentConfiguration
    const resources = synthesis.resources(STACK)
    const watched = Alarms.AlarmNames.map(({ Ref }) => JSON.stringify(resources[Ref]?.Properties))
    const groups = Object.entries(
      template.findResources('AWS::ElasticLoadBalancingV2::TargetGroup'),
    ).filter(([, { Properties }]) => Properties.TargetType === 'ip')
    expect(groups).toHaveLength(2)
    for (const [group] of groups) {
      expect(watched.filter((alarm) => alarm.includes(group))).toHaveLength(2)
    }
    const guards = Alarms.AlarmNames.map(({ Ref }) => resources[Ref]?.Properties)
    const shares = guards.filter((alarm) => alarm?.Metrics !== undefined).map(readErrorGuard)
    expect(shares).toHaveLength(2)
    // A single 5xx is of a restart; one in ten of a new version's are its own.
    for (const isTooMany of shares) {
      expect(isTooMany(1, 5)).toBe(false)
      expect(isTooMany(3, 30)).toBe(true)
    }
  })

  it('starts a task when somebody calls, and stops the last after an hour without a call', () => {
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      MinCapacity: 0,
      MaxCapacity: 2,
    })
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'HTTPCode_ELB_503_Count',
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
      AlarmActions: [{ Ref: Match.stringLikeRegexp('WakeUp') }],
    })
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      // The calls that wake it count as well: without them it would be put to sleep while it starts.
      Metrics: Match.arrayWith([
        Match.objectLike({
          Expression: Match.stringLikeRegexp(
            'FILL.answered, 0. . FILL.failed, 0. . FILL.refused, 0.',
          ),
        }),
      ]),
      EvaluationPeriods: 60,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
      AlarmActions: [{ Ref: Match.stringLikeRegexp('FallAsleep') }],
    })
  })

  it('lets the load balancer reach the tasks, and nobody the instances', () => {
    const groups = ofType(synthesis, STACK, 'AWS::EC2::SecurityGroup')
    const open = groups.filter(({ Properties }) => Properties?.SecurityGroupIngress)
    expect(open).toHaveLength(1)
    expect(open[0]?.Properties?.SecurityGroupIngress).toEqual([
      { CidrIp: '0.0.0.0/0', Description: 'HTTPS', FromPort: 443, IpProtocol: 'tcp', ToPort: 443 },
    ])
    const rules = ofType(synthesis, STACK, 'AWS::EC2::SecurityGroupIngress')
    expect(rules).toHaveLength(1)
    expect(rules[0]?.Properties).toMatchObject({ FromPort: 8080, ToPort: 8080 })
  })
})

describe('other endpoints on GPUs', () => {
  it('know tokens at the load balancer, and for whom they are', () => {
    const synthesis = synthesize({
      ...GPU_ONLY,
      'gpu.keys': '',
      'gpu.jwt.issuer': 'https://issuer.example.com',
      'gpu.jwt.audience': 'espalier',
    })
    const rules = ofType(synthesis, STACK, 'AWS::ElasticLoadBalancingV2::ListenerRule')
      .map(({ Properties }) => (Properties as { Actions: { Type: string }[] }).Actions)
      .filter((actions) => actions.at(-1)?.Type === 'forward')
    // That of the tasks, and that of who answers while there is none.
    expect(rules).toHaveLength(2)
    for (const [first] of rules) {
      expect(first).toMatchObject({
        Type: 'jwt-validation',
        JwtValidationConfig: {
          Issuer: 'https://issuer.example.com',
          JwksEndpoint: 'https://issuer.example.com/.well-known/jwks.json',
          AdditionalClaims: [{ Name: 'aud', Format: 'single-string', Values: ['espalier'] }],
        },
      })
    }
    const env = readPairs(containerOf(synthesis).Environment)
    expect(env.ESPALIER_OPEN).toBe('1')
  })

  it('have a task in working hours only', () => {
    const template = synthesize({
      ...GPU_ONLY,
      'gpu.idle': 'schedule',
      'gpu.hours': '8-18',
      'gpu.zone': 'Europe/Oslo',
    }).template(STACK)
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      ScheduledActions: [
        {
          Schedule: 'cron(0 8 ? * MON-FRI *)',
          Timezone: 'Europe/Oslo',
          ScalableTargetAction: { MinCapacity: 1, MaxCapacity: 2 },
        },
        {
          Schedule: 'cron(0 18 ? * MON-FRI *)',
          Timezone: 'Europe/Oslo',
          ScalableTargetAction: { MinCapacity: 0, MaxCapacity: 0 },
        },
      ].map((action) => Match.objectLike(action)),
    })
  })

  it('never sleep', () => {
    const synthesis = synthesize({ ...GPU_ONLY, 'gpu.idle': 'never', 'gpu.tasks': '8' })
    const [target] = ofType(synthesis, STACK, 'AWS::ApplicationAutoScaling::ScalableTarget')
    expect(target?.Properties).toMatchObject({ MinCapacity: 1, MaxCapacity: 8 })
    expect(synthesis.text(STACK)).not.toContain('FallAsleep')
  })

  it('are reached from within the network only', () => {
    const template = synthesize({ ...GPU_ONLY, 'gpu.private': 'true' }).template(STACK)
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', {
      Scheme: 'internal',
    })
    expect(JSON.stringify(template.toJSON())).not.toContain('0.0.0.0/0","Description":"HTTPS"')
  })
})
