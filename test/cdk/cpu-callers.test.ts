import { describe, expect, it } from 'vitest'
import { CpuApi } from '../../cdk/constructs/cpu-api.ts'
import { KeySource } from '../../cdk/constructs/key-source.ts'
import { ModelStore } from '../../cdk/constructs/model-store.ts'
import { ServiceImage } from '../../cdk/constructs/service-image.ts'
import {
  App,
  InterfaceVpcEndpoint,
  Role,
  Secret,
  ServicePrincipal,
  Stack,
  Template,
} from '../../cdk/testing.ts'
import { IMAGE_TYPES } from '../../shared/contract/uploads.ts'
import { readEnvironment } from './environment.ts'
import {
  CDK_JSON,
  type ContextValues,
  IMAGE,
  ofType,
  onlyOf,
  SMALLEST,
  synthesize,
} from './synthesize.ts'

const STACK = 'EspalierCpuApi'
const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier-keys-AbCdEf'
const PARAMETER = 'arn:aws:ssm:eu-west-1:123456789012:parameter/espalier/keys'
const KMS = 'arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555'
const BY_KEYS = { ...SMALLEST, 'cpu.iam': 'false' }

interface Statement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | string[]
  readonly Resource: unknown
  readonly Principal?: { readonly AWS: unknown }
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

describe('callers with keys', () => {
  const rights = (values: ContextValues) =>
    ofType(synthesize(values), STACK, 'AWS::IAM::Policy')
      .flatMap(
        ({ Properties }) =>
          (Properties as { PolicyDocument: { Statement: Statement[] } }).PolicyDocument.Statement,
      )
      .filter(({ Action }) => /secretsmanager|ssm|kms/.test(String(Action)))

  it('reach the service, which is told where the keys lie and may read no others', () => {
    const synthesis = synthesize({ ...BY_KEYS, 'cpu.keys': SECRET })
    synthesis
      .template(STACK)
      .hasResourceProperties('AWS::ApiGatewayV2::Route', { AuthorizationType: 'NONE' })
    synthesis.template(STACK).resourceCountIs('AWS::ApiGatewayV2::Authorizer', 0)
    const { Environment } = onlyOf<{ Environment: { Variables: object } }>(
      synthesis,
      STACK,
      'AWS::Lambda::Function',
    )
    expect(readEnvironment(Environment.Variables).ESPALIER_API_KEYS_FROM).toBe(SECRET)
    expect(rights({ ...BY_KEYS, 'cpu.keys': SECRET })).toEqual([
      { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: SECRET },
    ])
  })

  it('are in a parameter as well', () => {
    expect(rights({ ...BY_KEYS, 'cpu.keys': PARAMETER })).toEqual([
      { Effect: 'Allow', Action: 'ssm:GetParameter', Resource: PARAMETER },
    ])
  })

  it('are decrypted by no other way than the service that keeps them', () => {
    expect(rights({ ...BY_KEYS, 'cpu.keys': SECRET, 'keys.kms': KMS })).toEqual([
      { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: SECRET },
      {
        Effect: 'Allow',
        Action: 'kms:Decrypt',
        Resource: KMS,
        Condition: {
          StringEquals: { 'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com' },
        },
      },
    ])
  })

  it.each([
    ['a secret without the characters at its end', SECRET.slice(0, -7)],
    ['a name', 'espalier-keys'],
    ['a bucket', 'arn:aws:s3:::keys'],
  ])('are refused at %s', (_, arn) => {
    expect(() => synthesize({ ...BY_KEYS, 'cpu.keys': arn })).toThrow(/whole ARN of a secret/)
  })

  it('are one way to know callers, beside which there is no other', () => {
    expect(() => synthesize({ ...SMALLEST, 'cpu.keys': SECRET, 'cpu.iam': 'true' })).toThrow(
      /iam and keys/,
    )
  })

  it('lie in a secret of the same application', () => {
    const stack = new Stack(new App({ context: { ...CDK_JSON } }), 'Search', {
      env: { region: 'eu-west-1' },
    })
    const { api } = makeApi(stack, {
      keys: KeySource.fromSecret(new Secret(stack, 'Keys')),
    })
    expect(api.url).toBeDefined()
    const text = JSON.stringify(Template.fromStack(stack).findResources('AWS::IAM::Policy'))
    expect(text).toMatch(
      /"secretsmanager:GetSecretValue","Effect":"Allow","Resource":\{"Ref":"Keys/,
    )
  })
})

describe('the access log', () => {
  const { AccessLogSettings } = onlyOf<{ AccessLogSettings: { Format: string } }>(
    synthesize(SMALLEST),
    STACK,
    'AWS::ApiGatewayV2::Stage',
  )
  const fill = (values: Readonly<Record<string, string>>) =>
    AccessLogSettings.Format.replaceAll(/\$context\.[A-Za-z.]+/g, (name) => values[name] ?? '-')

  it('is JSON, whatever the gateway has to say', () => {
    const message = 'say "please", \\ and\nagain'
    const line = fill({
      '$context.requestId': 'JKJaXmPLvHcESHA=',
      '$context.status': '403',
      '$context.error.message': message,
      // Its quotes are part of it, and missing with what it quotes.
      '$context.error.messageString': JSON.stringify(message),
      '$context.integrationErrorMessage': message,
      '$context.integration.error': message,
      '$context.authorizer.error': message,
      '$context.error.responseType': 'ACCESS_DENIED',
    })
    expect(JSON.parse(line)).toMatchObject({ status: '403', error: 'ACCESS_DENIED' })
    expect(JSON.parse(fill({}))).toMatchObject({ error: '-', caller: '-' })
  })

  it('says who called', () => {
    const arn = 'arn:aws:sts::123456789012:assumed-role/indexer/session'
    expect(JSON.parse(fill({ '$context.identity.userArn': arn }))).toMatchObject({ caller: arn })
    const subject = 'auth0|0123456789'
    expect(JSON.parse(fill({ '$context.authorizer.claims.sub': subject }))).toMatchObject({
      subject,
    })
  })
})

describe('names of APIs', () => {
  it.each<[string, ContextValues, string, string]>([
    ['AWS::ApiGatewayV2::Api', {}, 'EspalierCpuApi', 'Espalier-CpuApi'],
    ['AWS::ApiGatewayV2::Api', { name: 'Staging' }, 'StagingCpuApi', 'Staging-CpuApi'],
    [
      'AWS::ApiGateway::RestApi',
      { name: 'Staging', 'cpu.private': 'vpce-0123456789abcdef0' },
      'StagingCpuApi',
      'Staging-CpuApi',
    ],
  ])('%s with %o say the environment', (type, values, stack, name) => {
    const { Name } = onlyOf<{ Name: string }>(synthesize({ ...SMALLEST, ...values }), stack, type)
    expect(Name).toBe(name)
  })
})

describe('the private API', () => {
  const HERE = 'vpce-0123456789abcdef0'
  const granted = 'arn:aws:iam::123456789012:role/indexer'
  const colleague = 'arn:aws:iam::123456789012:role/colleague'
  const partner = 'arn:aws:iam::210987654321:role/partner'
  const stranger = 'arn:aws:iam::210987654321:role/stranger'

  it('takes images as they are, and leaves JSON a text', () => {
    const { BinaryMediaTypes } = onlyOf<{ BinaryMediaTypes: string[] }>(
      synthesize({ ...SMALLEST, 'cpu.private': HERE }),
      STACK,
      'AWS::ApiGateway::RestApi',
    )
    expect(BinaryMediaTypes).toEqual([...IMAGE_TYPES, 'multipart/form-data'])
  })

  it.each([
    ['a granted role', granted, true, HERE, true],
    ['a role of the account that has no right to call', colleague, false, HERE, false],
    ['a granted role of another account, whose owner lets it call', partner, true, HERE, true],
    [
      'a granted role of another account that was given no right there',
      partner,
      false,
      HERE,
      false,
    ],
    ['a role of another account that lets itself call', stranger, true, HERE, false],
    ['a granted role through another endpoint', granted, true, 'vpce-00000000000000000', false],
    ['nobody known', undefined, false, HERE, false],
  ])('is called by %s: %s', (_, principal, hasRight, through, expected) => {
    const statements = policyOf([granted, partner])
    expect(isAllowed(statements, principal, hasRight, through)).toBe(expected)
  })

  it('lets rights of roles of the account decide where nobody was named', () => {
    const statements = policyOf([])
    expect(isAllowed(statements, colleague, true, HERE)).toBe(true)
    expect(isAllowed(statements, colleague, false, HERE)).toBe(false)
    expect(isAllowed(statements, stranger, true, HERE)).toBe(false)
  })

  it('grants to a role of a stack that waits for it', () => {
    const app = new App({ context: { ...CDK_JSON } })
    const { api, stack } = makeApi(new Stack(app, 'Search', { env: { region: 'eu-west-1' } }), {
      iam: true,
      privateThrough: true,
    })
    const other = new Stack(app, 'Indexer', { env: { region: 'eu-west-1' } })
    api.grantInvoke(
      new Role(other, 'Role', { assumedBy: new ServicePrincipal('ecs.amazonaws.com') }),
    )
    expect(JSON.stringify(Template.fromStack(other).toJSON())).toContain('execute-api:Invoke')
    expect(JSON.stringify(Template.fromStack(stack).toJSON())).not.toContain('Indexer')
  })

  function policyOf(roles: readonly string[]): readonly Statement[] {
    const { api, stack } = makeApi(
      new Stack(new App({ context: { ...CDK_JSON } }), 'Search', { env: { region: 'eu-west-1' } }),
      { iam: true, privateThrough: true },
    )
    for (const [index, arn] of roles.entries()) {
      api.grantInvoke(Role.fromRoleArn(stack, `Caller${index}`, arn))
    }
    const [rest] = Object.values(
      Template.fromStack(stack).findResources('AWS::ApiGateway::RestApi'),
    )
    return rest?.Properties.Policy.Statement
  }

  /**
   * What API Gateway decides for signed requests: a denial wins; within the account the policy or the caller's own right
   * is enough, where the policy names the account only that right; from another account it takes both.
   */
  function isAllowed(
    statements: readonly Statement[],
    principal: string | undefined,
    hasRight: boolean,
    through: string,
  ): boolean {
    const account = /^arn:aws:iam::([0-9]{12}):/.exec(principal ?? '')?.[1]
    const root = 'arn:aws:iam::123456789012:root'
    const named = (effect: string) =>
      statements
        .filter(({ Effect, Condition }) => {
          const other = Condition?.StringNotEquals?.['aws:SourceVpce']
          return Effect === effect && (other === undefined || other !== through)
        })
        .flatMap(({ Principal }) => [Principal?.AWS].flat())
        .map((each) => (typeof each === 'string' ? each : join(each)))
    if (named('Deny').some((each) => each === '*' || each === principal)) return false
    const allowed = named('Allow')
    const isNamed =
      allowed.includes('*') || (principal !== undefined && allowed.includes(principal))
    if (account === '123456789012') return isNamed || (hasRight && allowed.includes(root))
    return isNamed && hasRight
  }
})

function join(value: unknown): string {
  const parts = (value as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1]
  return parts.map((part) => (typeof part === 'string' ? part : '123456789012')).join('')
}

function makeApi(
  stack: Stack,
  { privateThrough, ...access }: { iam?: boolean; keys?: KeySource; privateThrough?: boolean },
): { api: CpuApi; stack: Stack } {
  const api = new CpuApi(stack, 'Api', {
    ...access,
    store: new ModelStore(stack, 'Models'),
    image: ServiceImage.fromDigest(IMAGE),
    privateThrough: privateThrough
      ? InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(stack, 'Endpoint', {
          vpcEndpointId: 'vpce-0123456789abcdef0',
          port: 443,
        })
      : undefined,
  })
  return { api, stack }
}
