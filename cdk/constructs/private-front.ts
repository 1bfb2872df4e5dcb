import { type Duration, RemovalPolicy } from 'aws-cdk-lib'
import {
  AccessLogFormat,
  AuthorizationType,
  EndpointType,
  LambdaRestApi,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigateway'
import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type { IInterfaceVpcEndpoint } from 'aws-cdk-lib/aws-ec2'
import {
  AnyPrincipal,
  Effect,
  Grant,
  type IGrantable,
  PolicyDocument,
  PolicyStatement,
} from 'aws-cdk-lib/aws-iam'
import type { Alias } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { acknowledge } from './acknowledge.ts'
import type { Throttle } from './http-front.ts'

/** How the door is made. */
export interface PrivateFrontProps {
  readonly alias: Alias
  readonly vpcEndpoint: IInterfaceVpcEndpoint
  readonly throttle: Throttle
  readonly timeout: Duration
}

/** A REST API that is reached through one endpoint of a network only, with signed requests: HTTP APIs cannot be private. */
export class PrivateFront extends Construct {
  readonly api: LambdaRestApi
  readonly url: string

  constructor(scope: Construct, id: string, props: PrivateFrontProps) {
    super(scope, id)
    const { alias, vpcEndpoint, throttle } = props
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.api = new LambdaRestApi(this, 'Api', {
      description: 'Espalier: embeddings and classifiers, within the network',
      handler: alias,
      integrationOptions: { timeout: props.timeout, allowTestInvoke: false },
      endpointConfiguration: { types: [EndpointType.PRIVATE], vpcEndpoints: [vpcEndpoint] },
      defaultMethodOptions: { authorizationType: AuthorizationType.IAM },
      cloudWatchRole: false,
      deployOptions: {
        stageName: 'live',
        metricsEnabled: true,
        throttlingRateLimit: throttle.rate,
        throttlingBurstLimit: throttle.burst,
        accessLogDestination: new LogGroupLogDestination(logs),
        accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
      },
      policy: onlyThrough(vpcEndpoint.vpcEndpointId),
    })
    this.url = this.api.url.replace(/\/$/, '')
    acknowledge(this.api, 'The service checks every request itself and names the field at fault.', [
      'APIG2',
    ])
    acknowledge(
      this.api,
      'The log of a stage needs a role for the whole account; the access log and the service have it all.',
      ['APIG6'],
    )
    acknowledge(
      this.api,
      'Callers are in the network and sign their requests; there is no web client to filter.',
      ['APIG3'],
    )
    acknowledge(this.api, 'Callers are known by their AWS credentials, not by a pool of users.', [
      'COG4',
    ])
  }

  /** Lets a principal call the API with its AWS credentials. */
  grantInvoke(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['execute-api:Invoke'],
      resourceArns: [this.api.arnForExecuteApi('*', '/*', 'live')],
    })
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
}

function onlyThrough(vpcEndpointId: string): PolicyDocument {
  const every = {
    principals: [new AnyPrincipal()],
    actions: ['execute-api:Invoke'],
    resources: ['execute-api:/live/*'],
  }
  const elsewhere = { StringNotEquals: { 'aws:SourceVpce': vpcEndpointId } }
  return new PolicyDocument({
    statements: [
      new PolicyStatement({ ...every, effect: Effect.ALLOW }),
      new PolicyStatement({ ...every, effect: Effect.DENY, conditions: elsewhere }),
    ],
  })
}
