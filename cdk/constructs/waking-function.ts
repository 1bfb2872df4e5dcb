import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/** From the first call to the first answer: an alarm, an instance, an image of gigabytes and a graph. An estimate. */
const WAKE_SECONDS = 300
/** Said when the estimate is over, and to whoever comes last. */
const LEAST_SECONDS = 30

/**
 * The time that is left is counted from the first call that this copy of the function saw; an attempt that is older
 * than three estimates was another one. A fixed answer of the load balancer could not carry `Retry-After`.
 */
export const WAKING_CODE = `const { randomBytes } = require('node:crypto')
let since = 0
exports.handler = async (event) => {
  const now = Date.now()
  if (now - since > ${3 * WAKE_SECONDS * 1000}) since = now
  const left = Math.max(${LEAST_SECONDS}, Math.ceil(${WAKE_SECONDS} - (now - since) / 1000))
  const given = (event.headers || {})['x-request-id'] || ''
  const id = /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : 'req_' + randomBytes(12).toString('hex')
  const path = String(event.path).slice(0, 256)
  const message = 'the GPU is being started; try again in ' + left + ' seconds'
  const tei = { error: message, error_type: 'Unhealthy' }
  const unified = {
    type: 'urn:espalier:problem:model-loading',
    title: 'Model loading',
    status: 503,
    detail: message,
    instance: path,
    id,
    message,
    error: { message, type: 'server_error', param: null, code: 'model_loading' },
  }
  return {
    statusCode: 503,
    statusDescription: '503 Service Unavailable',
    isBase64Encoded: false,
    headers: {
      'content-type': 'application/json',
      'retry-after': String(left),
      'retry-after-ms': String(left * 1000),
      'x-should-retry': 'true',
      'x-request-id': id,
    },
    body: JSON.stringify(/^\\/embed\\/?$/.test(path) ? tei : unified),
  }
}
`

/** A function that answers 503 in the service's own words, with the time to wait, while there is no GPU. */
export class WakingFunction extends Construct {
  readonly function: LambdaFunction

  constructor(scope: Construct, id: string) {
    super(scope, id)
    const logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: 'Espalier: says that the GPU is being started, writes its log',
    })
    logGroup.grantWrite(role)
    this.function = new LambdaFunction(this, 'Function', {
      description: 'Espalier: says that the GPU is being started',
      runtime: Runtime.NODEJS_24_X,
      handler: 'index.handler',
      code: Code.fromInline(WAKING_CODE),
      memorySize: 128,
      timeout: Duration.seconds(3),
      role,
      logGroup,
    })
  }
}
