import { Arn, ArnFormat, type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import {
  DomainName,
  HttpApi,
  HttpNoneAuthorizer,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam'
import type { IAlias } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { ARecord, RecordTarget } from 'aws-cdk-lib/aws-route53'
import { ApiGatewayv2DomainProperties } from 'aws-cdk-lib/aws-route53-targets'
import { Construct } from 'constructs'
import type { AccessProps } from './access.ts'
import { acknowledge } from './acknowledge.ts'
import { type DomainProps, zoneOf } from './domain.ts'

/** Requests a second that the gateway lets through, and how many more at once. */
export interface Throttle {
  readonly rate: number
  readonly burst: number
}

/** How the door is made. */
export interface HttpFrontProps {
  /** What the console calls it. */
  readonly apiName: string
  readonly alias: IAlias
  readonly access: AccessProps
  readonly domain: DomainProps | undefined
  readonly throttle: Throttle
  readonly timeout: Duration
}

/** An HTTP API over all paths, with an authoriser, a throttle and a log of who called. */
export class HttpFront extends Construct {
  readonly api: HttpApi
  readonly url: string

  constructor(scope: Construct, id: string, props: HttpFrontProps) {
    super(scope, id)
    const { alias, access, domain, throttle } = props
    this.api = new HttpApi(this, 'Api', {
      apiName: props.apiName,
      description: 'Espalier: embeddings and classifiers',
      createDefaultStage: false,
      // A name of one's own is the only one.
      disableExecuteApiEndpoint: domain !== undefined,
      defaultIntegration: new HttpLambdaIntegration('Function', alias, { timeout: props.timeout }),
      defaultAuthorizer: authorizerOf(access),
      defaultAuthorizationScopes: access.jwt?.scopes ? [...access.jwt.scopes] : undefined,
    })
    if (access.open) {
      acknowledge(this.api, 'Whoever deploys asked for an open endpoint by name.', ['APIG4'])
    }
    if (access.keys) {
      acknowledge(this.api, 'The service checks the key of every request itself.', ['APIG4'])
    }
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const stage = new HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      detailedMetricsEnabled: true,
      throttle: { rateLimit: throttle.rate, burstLimit: throttle.burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(logs),
        format: AccessLogFormat.custom(ACCESS_LOG),
      },
      domainMapping: domain && { domainName: this.#name(domain) },
    })
    this.url = domain ? `https://${domain.name}` : stage.url.replace(/\/$/, '')
  }

  /** Lets a principal call the API with its AWS credentials; for access by `iam`. */
  grantInvoke(grantee: IGrantable): Grant {
    const arn = Arn.format(
      {
        service: 'execute-api',
        resource: this.api.apiId,
        resourceName: '$default/*/*',
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      },
      Stack.of(this),
    )
    return Grant.addToPrincipal({ grantee, actions: ['execute-api:Invoke'], resourceArns: [arn] })
  }

  metricRequests(options?: MetricOptions): Metric {
    return this.api.metricCount({ statistic: 'Sum', ...options })
  }

  /** Answers with 5xx, those that the gateway gives itself included. */
  metricServerErrors(options?: MetricOptions): Metric {
    return this.api.metricServerError({ statistic: 'Sum', ...options })
  }

  metricLatency(options?: MetricOptions): Metric {
    return this.api.metricLatency({ statistic: 'p99', ...options })
  }

  #name(domain: DomainProps): DomainName {
    const name = new DomainName(this, 'Domain', {
      domainName: domain.name,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
    })
    const zone = zoneOf(this, domain)
    if (zone) {
      new ARecord(this, 'Record', {
        zone,
        recordName: domain.name,
        target: RecordTarget.fromAlias(
          new ApiGatewayv2DomainProperties(name.regionalDomainName, name.regionalHostedZoneId),
        ),
      })
    }
    return name
  }
}

/**
 * No text that the gateway puts in as it is: a message may have quotes of its own, and what there is none of is `-`,
 * also where `messageString` would bring its quotes along.
 */
const ACCESS_LOG = JSON.stringify({
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  caller: '$context.identity.userArn',
  subject: '$context.authorizer.claims.sub',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  latencyMs: '$context.responseLatency',
  bytes: '$context.responseLength',
  error: '$context.error.responseType',
  functionStatus: '$context.integration.status',
  serviceStatus: '$context.integration.integrationStatus',
})

function authorizerOf({ jwt, iam }: AccessProps): IHttpRouteAuthorizer {
  if (iam) return new HttpIamAuthorizer()
  if (!jwt) return new HttpNoneAuthorizer()
  return new HttpJwtAuthorizer('Tokens', jwt.issuer, { jwtAudience: [...jwt.audience] })
}
