/** One price of AWS in US dollars. */
export interface Price {
  readonly usd: number
  /** What the price buys. */
  readonly per: string
  /** The page of AWS that states it. */
  readonly page: string
  /**
   * A price list or page of AWS that the figure stands in, by what others quote of it: AWS fills its pages in by script.
   * Absent where it was found in none.
   */
  readonly read?: { readonly source: string; readonly date: string } | undefined
}

/** Prices of one region on one day. */
export interface PriceList {
  /** The day on which they were written down. */
  readonly date: string
  readonly region: string
  readonly prices: Readonly<Record<PriceName, Price>>
}

const LAMBDA = 'https://aws.amazon.com/lambda/pricing/'
const CLOUDWATCH = 'https://aws.amazon.com/cloudwatch/pricing/'
const VPC = 'https://aws.amazon.com/vpc/pricing/'

/** A price list of us-east-1, by its code and the day on which it was published or read. */
const offer = (code: string, date: string) => ({
  source: `https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/${code}/current/us-east-1/index.csv`,
  date,
})
const LAMBDA_OFFER = offer('AWSLambda', '2026-09-19')

const prices = {
  lambdaGbSecond: { usd: 0.0000166667, per: 'GB-second, x86', page: LAMBDA, read: LAMBDA_OFFER },
  lambdaArmGbSecond: {
    usd: 0.0000133334,
    per: 'GB-second, arm64',
    page: LAMBDA,
    read: LAMBDA_OFFER,
  },
  lambdaRequest: { usd: 0.0000002, per: 'request', page: LAMBDA, read: LAMBDA_OFFER },
  snapStartGbSecond: {
    usd: 0.0000015046,
    per: 'GB-second of a snapshot',
    page: LAMBDA,
    read: LAMBDA_OFFER,
  },
  provisionedGbSecond: {
    usd: 0.0000041667,
    per: 'GB-second of a warm copy',
    page: LAMBDA,
    read: LAMBDA_OFFER,
  },
  provisionedArmGbSecond: {
    usd: 0.0000033334,
    per: 'GB-second, arm64',
    page: LAMBDA,
    read: LAMBDA_OFFER,
  },
  httpApiRequest: {
    usd: 0.000001,
    per: 'request of an HTTP API',
    page: 'https://aws.amazon.com/api-gateway/pricing/',
    read: offer('AmazonApiGateway', '2026-08-17'),
  },
  restApiRequest: {
    usd: 0.0000035,
    per: 'request of a REST API',
    page: 'https://aws.amazon.com/api-gateway/pricing/',
  },
  loadBalancerHour: {
    usd: 0.0225,
    per: 'hour of a load balancer',
    page: 'https://aws.amazon.com/elasticloadbalancing/pricing/',
    read: offer('AWSELB', '2026-08-17'),
  },
  natGatewayHour: {
    usd: 0.045,
    per: 'hour of a NAT gateway',
    page: VPC,
    read: offer('AmazonEC2', '2026-08-01'),
  },
  publicAddressHour: {
    usd: 0.005,
    per: 'hour of a public address',
    page: VPC,
    read: { source: VPC, date: '2026-08-17' },
  },
  gpuHour: {
    usd: 0.8048,
    per: 'hour of a g6.xlarge (L4), on demand',
    page: 'https://aws.amazon.com/ec2/pricing/on-demand/',
    read: offer('AmazonEC2', '2026-09-01'),
  },
  storageGbMonth: {
    usd: 0.023,
    per: 'GB-month in S3',
    page: 'https://aws.amazon.com/s3/pricing/',
    read: offer('AmazonS3', '2026-08-17'),
  },
  imageGbMonth: {
    usd: 0.1,
    per: 'GB-month of images',
    page: 'https://aws.amazon.com/ecr/pricing/',
    read: offer('AmazonECR', '2026-08-17'),
  },
  alarmMonth: { usd: 0.1, per: 'metric of an alarm and month', page: CLOUDWATCH },
  logScanGb: { usd: 0.005, per: 'GB of logs searched by Logs Insights', page: CLOUDWATCH },
  event: {
    usd: 0.000001,
    per: 'event of S3, or of ours, on EventBridge',
    page: 'https://aws.amazon.com/eventbridge/pricing/',
  },
  stateTransition: {
    usd: 0.000025,
    per: 'state transition of a standard workflow',
    page: 'https://aws.amazon.com/step-functions/pricing/',
  },
  logGb: { usd: 0.5, per: 'GB of logs taken in', page: CLOUDWATCH },
  metricMonth: { usd: 0.3, per: 'metric of Container Insights and month', page: CLOUDWATCH },
  secretMonth: {
    usd: 0.4,
    per: 'secret and month',
    page: 'https://aws.amazon.com/secrets-manager/pricing/',
  },
} as const

export type PriceName = keyof typeof prices

/** List prices without free tiers, discounts and taxes; the fee of ECS Managed Instances is not among them. */
export const PRICES: PriceList = { date: '2026-11-30', region: 'us-east-1', prices }
