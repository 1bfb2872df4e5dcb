import { type Duration, RemovalPolicy, Stack, Token } from 'aws-cdk-lib'
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
  AccountRootPrincipal,
  AnyPrincipal,
  Effect,
  Grant,
  type IGrantable,
  type IPrincipal,
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
  /** What the console calls it. */
  readonly apiName: string
  readonly alias: Alias
  readonly vpcEndpoint: IInterfaceVpcEndpoint
  readonly throttle: Throttle
  readonly timeout: Duration
}

const INVOKE = ['execute-api:Invoke']
const EVERY_PATH = ['execute-api:/live/*']

/** A REST API that is reached through one endpoint of a network only, with signed requests: HTTP APIs cannot be private. */
export class PrivateFront extends Construct {
  readonly api: LambdaRestApi
  readonly url: string
  /** The account itself: whom of it, the rights of its roles and users say. */
  readonly #callers = new PolicyStatement({
    actions: INVOKE,
    resources: EVERY_PATH,
    principals: [new AccountRootPrincipal()],
  })

  constructor(scope: Construct, id: string, props: PrivateFrontProps) {
    super(scope, id)
    const { alias, vpcEndpoint, throttle } = props
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.api = new LambdaRestApi(this, 'Api', {
      restApiName: props.apiName,
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
      // What the service takes beside text; with */* the JSON of every request would cross in base64, too.
      binaryMediaTypes: ['image/jpeg', 'image/png', 'image/webp', 'multipart/form-data'],
      policy: new PolicyDocument({
        statements: [this.#callers, denyElsewhere(vpcEndpoint.vpcEndpointId)],
      }),
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

  /**
   * Lets a principal call the API with its AWS credentials: by its own rights, and by name in the policy of the API,
   * which those of other accounts need as well.
   */
  grantInvoke(grantee: IGrantable): Grant {
    const { grantPrincipal } = grantee
    if (!this.#dependsOnThis(grantPrincipal)) this.#callers.addPrincipals(grantPrincipal)
    return Grant.addToPrincipal({
      grantee,
      actions: [...INVOKE],
      resourceArns: [this.api.arnForExecuteApi('*', '/*', 'live')],
    })
  }

  /** True for roles of other stacks, which wait for this one: they cannot be named here, and need not. */
  #dependsOnThis(principal: IPrincipal): boolean {
    if (!Construct.isConstruct(principal)) return false
    const isElsewhere = Stack.of(principal) !== Stack.of(this)
    return isElsewhere && Token.isUnresolved(principal.policyFragment.principalJson.AWS?.[0])
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

function denyElsewhere(vpcEndpointId: string): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: INVOKE,
    resources: EVERY_PATH,
    conditions: { StringNotEquals: { 'aws:SourceVpce': vpcEndpointId } },
  })
}
