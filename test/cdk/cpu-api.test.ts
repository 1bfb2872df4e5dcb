import { beforeAll, describe, expect, it } from 'vitest'
import { variableOf } from '../../cdk/constructs/environment.ts'
import { Match, type Template } from '../../cdk/testing.ts'
import {
  CONFIG_VARIABLES,
  findUnknownVariables,
  parseConfig,
} from '../../shared/lib/config/config.ts'
import { readEnvironment } from './environment.ts'
import { readErrorGuard } from './error-guard.ts'
import { ofType, onlyOf, SMALLEST, type Synthesis, synthesize } from './synthesize.ts'

const STACK = 'EspalierCpuApi'

describe('names of settings', () => {
  it('are those of the configuration', () => {
    // AWS Batch tells the children of an array job by itself.
    const ours = CONFIG_VARIABLES.filter(({ name }) => !name.startsWith('AWS_'))
    const derived = ours.map(({ key }) => variableOf(key as Parameters<typeof variableOf>[0]))
    expect(derived).toEqual(ours.map(({ name }) => name))
  })
})

describe('the endpoint on Lambda', () => {
  let synthesis: Synthesis
  let template: Template

  beforeAll(() => {
    synthesis = synthesize(SMALLEST)
    template = synthesis.template(STACK)
  })

  it('runs the image by its digest, without snapshots that are charged for, under an alias', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      PackageType: 'Image',
      Code: {
        ImageUri: { 'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('@sha256:')])] },
      },
      SnapStart: { ApplyOn: 'None' },
      EphemeralStorage: { Size: 512 },
      MemorySize: 3538,
      Timeout: 29,
      Architectures: ['x86_64'],
    })
    template.hasResource('AWS::Lambda::Alias', {
      Properties: {
        Name: 'live',
        FunctionVersion: { 'Fn::GetAtt': [Match.anyValue(), 'Version'] },
      },
      UpdatePolicy: {
        CodeDeployLambdaAliasUpdate: { ApplicationName: Match.anyValue() },
      },
    })
  })

  it('gives the service settings that it takes, within the limits of Lambda', () => {
    const { Environment } = onlyOf<{ Environment: { Variables: object } }>(
      synthesis,
      STACK,
      'AWS::Lambda::Function',
    )
    const env = readEnvironment(Environment.Variables)
    expect(findUnknownVariables(env)).toEqual([])
    const config = parseConfig(env)
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      follow: 'request',
      workers: 2,
      maxInputs: 256,
    })
    expect(config.registry).toMatch(/^s3:\/\/.*\/registry\?region=eu-west-1$/)
    // A payload has 6 MB, the event around the body included.
    expect(config.maxBodyBytes).toBeLessThan(6 * 1024 * 1024)
    // As base64, and with the rest of the event, an image of this size is still let through.
    expect(Math.ceil(config.maxImageBytes / 3) * 4).toBeLessThan(6 * 1024 * 1024 - 32 * 1024)
    expect(config.maxImageBytes).toBeGreaterThan(4.4 * 1024 * 1024)
    expect(config.queueTimeoutMs).toBeLessThan(29_000)
    expect(config.modelsBytes + config.headsBytes).toBeLessThan(3538 * 1024 * 1024)
    expect(env).toMatchObject({
      AWS_LWA_READINESS_CHECK_PATH: '/readyz',
      // Each copy has numbers of its own.
      ESPALIER_METRICS: 'off',
    })
  })

  it('has an HTTP API in front whose every route asks for AWS credentials', () => {
    const routes = ofType(synthesis, STACK, 'AWS::ApiGatewayV2::Route')
    expect(routes.map(({ Properties }) => Properties?.RouteKey)).toEqual(['$default'])
    for (const { Properties } of routes) expect(Properties?.AuthorizationType).toBe('AWS_IAM')
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      AccessLogSettings: { DestinationArn: Match.anyValue() },
      DefaultRouteSettings: {
        DetailedMetricsEnabled: true,
        ThrottlingRateLimit: 50,
        ThrottlingBurstLimit: 100,
      },
    })
    template.hasResourceProperties('AWS::ApiGatewayV2::Integration', {
      PayloadFormatVersion: '2.0',
      TimeoutInMillis: 29_000,
    })
  })

  it('gives a new version a tenth of the calls, and takes it back for errors, crashes and slowness', () => {
    const group = onlyOf<{
      AlarmConfiguration: { Alarms: { Name: { Ref: string } }[] }
    }>(synthesis, STACK, 'AWS::CodeDeploy::DeploymentGroup')
    expect(group).toMatchObject({
      DeploymentConfigName: 'CodeDeployDefault.LambdaCanary10Percent5Minutes',
      AutoRollbackConfiguration: {
        Enabled: true,
        Events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM'],
      },
    })
    const { Alarms } = group.AlarmConfiguration
    const resources = synthesis.resources(STACK)
    const watched = Alarms.map(({ Name }) => resources[Name.Ref]?.Properties)
    expect(watched.map((alarm) => [alarm?.Namespace, alarm?.MetricName])).toEqual([
      [undefined, undefined],
      ['AWS/Lambda', 'Errors'],
      ['AWS/Lambda', 'Duration'],
    ])
    const isTooMany = readErrorGuard(watched[0])
    // One 5xx of a restart is not the fault of a version; one in fifty is.
    expect(isTooMany(1, 1)).toBe(false)
    expect(isTooMany(2, 10)).toBe(false)
    expect(isTooMany(3, 1000)).toBe(false)
    expect(isTooMany(20, 1000)).toBe(true)
    expect(isTooMany(3, 60)).toBe(true)
    expect(watched[1]).toMatchObject({ Threshold: 0 })
    expect(watched[2]).toMatchObject({ ExtendedStatistic: 'p99', Threshold: 5000 })
  })

  it('may write its own log and read models, and nothing else', () => {
    const policies = ofType(synthesis, STACK, 'AWS::IAM::Policy')
    const text = JSON.stringify(policies)
    expect(new Set(text.match(/[a-z0-9]+:[A-Z][A-Za-z]+/g))).toEqual(
      new Set(['logs:CreateLogStream', 'logs:PutLogEvents', 's3:ListBucket', 's3:GetObject']),
    )
  })

  it('keeps logs for a month and no longer than its stack', () => {
    template.allResources('AWS::Logs::LogGroup', {
      DeletionPolicy: 'Delete',
      Properties: { RetentionInDays: 30 },
    })
  })
})

describe('ways to call it', () => {
  it('by tokens: audience and issuer are checked by the API', () => {
    const template = synthesize({
      ...SMALLEST,
      'cpu.iam': 'false',
      'cpu.jwt.issuer': 'https://issuer.example.com/',
      'cpu.jwt.audience': 'espalier, other',
    }).template(STACK)
    template.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
      AuthorizerType: 'JWT',
      JwtConfiguration: {
        Audience: ['espalier', 'other'],
        Issuer: 'https://issuer.example.com/',
      },
    })
    template.hasResourceProperties('AWS::ApiGatewayV2::Route', {
      AuthorizationType: 'JWT',
      AuthorizerId: { Ref: Match.anyValue() },
    })
  })

  it('by everybody, where that is asked for', () => {
    const template = synthesize({
      ...SMALLEST,
      'cpu.iam': 'false',
      'cpu.open': 'true',
    }).template(STACK)
    template.hasResourceProperties('AWS::ApiGatewayV2::Route', { AuthorizationType: 'NONE' })
  })

  it('under a name, which is then the only one', () => {
    const template = synthesize({
      ...SMALLEST,
      'cpu.domain': 'models.example.com',
      'cpu.certificate':
        'arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555',
      'zone.id': 'Z0123456789ABCDEFGHIJ',
      'zone.name': 'example.com',
    }).template(STACK)
    template.hasResourceProperties('AWS::ApiGatewayV2::Api', { DisableExecuteApiEndpoint: true })
    template.hasResourceProperties('AWS::ApiGatewayV2::DomainName', {
      DomainName: 'models.example.com',
    })
    template.hasResourceProperties('AWS::Route53::RecordSet', {
      Name: 'models.example.com.',
      HostedZoneId: 'Z0123456789ABCDEFGHIJ',
    })
    template.hasOutput('Url', { Value: 'https://models.example.com' })
  })

  it('through one endpoint of a network only', () => {
    const template = synthesize({
      ...SMALLEST,
      'cpu.private': 'vpce-0123456789abcdef0',
    }).template(STACK)
    template.resourceCountIs('AWS::ApiGatewayV2::Api', 0)
    template.hasResourceProperties('AWS::ApiGateway::RestApi', {
      EndpointConfiguration: { Types: ['PRIVATE'], VpcEndpointIds: ['vpce-0123456789abcdef0'] },
      Policy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Condition: { StringNotEquals: { 'aws:SourceVpce': 'vpce-0123456789abcdef0' } },
          }),
        ]),
      },
    })
    template.allResourcesProperties('AWS::ApiGateway::Method', { AuthorizationType: 'AWS_IAM' })
  })

  it('from a snapshot, where that is asked for', () => {
    const template = synthesize({ ...SMALLEST, 'cpu.snapstart': 'true' }).template(STACK)
    template.hasResourceProperties('AWS::Lambda::Function', {
      SnapStart: { ApplyOn: 'PublishedVersions' },
    })
  })

  it('as often as is asked for', () => {
    const values = { ...SMALLEST, 'cpu.rate': '5', 'cpu.burst': '10' }
    synthesize(values)
      .template(STACK)
      .hasResourceProperties('AWS::ApiGatewayV2::Stage', {
        DefaultRouteSettings: { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 10 },
      })
  })

  it('on another processor, with more memory and fewer copies', () => {
    const synthesis = synthesize({
      ...SMALLEST,
      'cpu.architecture': 'arm64',
      'cpu.memory': '10240',
      'cpu.concurrency': '20',
    })
    const [lambda] = ofType(synthesis, STACK, 'AWS::Lambda::Function')
    expect(lambda?.Properties).toMatchObject({
      Architectures: ['arm64'],
      MemorySize: 10_240,
      ReservedConcurrentExecutions: 20,
      Environment: { Variables: { ESPALIER_WORKERS: '5' } },
    })
  })
})
