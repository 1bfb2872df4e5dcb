/** One value that `-c key=value` or `cdk.json` gives. */
export interface ContextKey {
  readonly key: string
  readonly doc: string
  /** Said where it is left out; empty for what is needed when its stack is asked for. */
  readonly default: string
}

/** Every value of a deployment, in the order of documentation. */
export const CONTEXT_KEYS = [
  { key: 'region', default: 'that of your AWS profile', doc: 'AWS region to deploy to.' },
  {
    key: 'stacks',
    default: 'store,cpu,ops',
    doc: 'Stacks to deploy, separated by commas: store, cpu, gpu, train, bulk, ops.',
  },
  { key: 'name', default: 'Espalier', doc: 'Stack name prefix.' },
  {
    key: 'image.cpu',
    default: 'built from this folder',
    doc: 'Image for Lambda and for jobs without a GPU, by the digest of one platform: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST.',
  },
  {
    key: 'image.gpu',
    default: 'built from this folder',
    doc: 'Image for GPUs, by digest.',
  },
  {
    key: 'image.args',
    default: 'none',
    doc: 'Build arguments for an image built from this folder, as infra/docker/resolve-digests.sh prints them.',
  },
  {
    key: 'permissionsBoundary',
    default: 'none',
    doc: 'ARN of a permissions boundary for every role.',
  },
  {
    key: 'store.removers',
    default: 'none',
    doc: 'ARNs of roles that may delete versions, separated by commas.',
  },
  { key: 'cpu.jwt.issuer', default: 'none', doc: 'Issuer of the tokens of callers, an https URL.' },
  {
    key: 'cpu.jwt.audience',
    default: 'none',
    doc: 'Token audience; several are separated by commas.',
  },
  { key: 'cpu.iam', default: 'false', doc: 'With true, callers sign with AWS credentials.' },
  {
    key: 'cpu.keys',
    default: 'none',
    doc: 'Callers have keys: ARN of a secret, or of an SSM parameter of type SecureString, with the lines of `espalier keys create`.',
  },
  { key: 'cpu.open', default: 'false', doc: 'With true, everybody may call.' },
  {
    key: 'cpu.private',
    default: 'none',
    doc: 'VPC endpoint (vpce-…) that is the only way to the API. Needs cpu.iam.',
  },
  {
    key: 'cpu.architecture',
    default: 'x86_64',
    doc: 'Processor of image.cpu, for Lambda and for jobs without a GPU: x86_64 or arm64.',
  },
  {
    key: 'cpu.memory',
    default: '3538',
    doc: 'Memory of the function in MiB, 1,769 for each vCPU.',
  },
  { key: 'cpu.timeout', default: '29', doc: 'Longest time to answer, in seconds.' },
  {
    key: 'cpu.concurrency',
    default: "the account's limit",
    doc: 'Reserved concurrency of the function.',
  },
  {
    key: 'cpu.snapstart',
    default: 'false',
    doc: 'With true, new copies start from a snapshot, which is charged for by the hour.',
  },
  { key: 'cpu.rate', default: '50', doc: 'Requests a second that the API lets through.' },
  { key: 'cpu.burst', default: '100', doc: 'Requests at once that the API lets through.' },
  { key: 'cpu.domain', default: "API Gateway's name", doc: 'Name of the API.' },
  { key: 'cpu.certificate', default: 'none', doc: 'ARN of the certificate of cpu.domain.' },
  { key: 'gpu.domain', default: '', doc: 'Name of the API on GPUs.' },
  { key: 'gpu.certificate', default: '', doc: 'ARN of the certificate of gpu.domain.' },
  { key: 'gpu.jwt.issuer', default: 'none', doc: 'Issuer of the tokens of callers, an https URL.' },
  {
    key: 'gpu.jwt.audience',
    default: 'none',
    doc: 'Token audience; several are separated by commas.',
  },
  {
    key: 'gpu.keys',
    default: 'none',
    doc: 'Callers have keys, as in cpu.keys.',
  },
  {
    key: 'keys.kms',
    default: "AWS's own",
    doc: 'ARN of the KMS key of yours that encrypts cpu.keys and gpu.keys.',
  },
  { key: 'gpu.open', default: 'false', doc: 'With true, everybody may call.' },
  {
    key: 'gpu.private',
    default: 'false',
    doc: 'With true, the API is reached from within the network only.',
  },
  {
    key: 'gpu.capacity',
    default: 'instances',
    doc: 'Where the tasks run: instances; Fargate has no GPUs.',
  },
  { key: 'gpu.types', default: 'T4,L4,A10G', doc: 'Allowed GPUs: T4, L4, A10G, L40S.' },
  { key: 'gpu.tasks', default: '2', doc: 'Most tasks at once, each with a GPU.' },
  {
    key: 'gpu.flight',
    default: '64',
    doc: 'Requests in flight for each task, above which another is started.',
  },
  {
    key: 'gpu.names',
    default: 'account',
    doc: 'What the role of the instances is unique in: account, as in earlier deployments, or region, for the same stack in several.',
  },
  {
    key: 'gpu.fallback',
    default: 'false',
    doc: 'With true, the endpoint on Lambda answers while no task runs. Both need the same callers.',
  },
  {
    key: 'gpu.idle',
    default: 'quiet',
    doc: 'When no task runs: never, quiet (after gpu.quiet minutes without calls) or schedule (outside of gpu.hours).',
  },
  {
    key: 'gpu.quiet',
    default: '60',
    doc: 'Minutes without calls after which the last task is stopped.',
  },
  {
    key: 'gpu.hours',
    default: '7-19',
    doc: 'Hours from Monday to Friday in which a task runs.',
  },
  { key: 'gpu.zone', default: 'Etc/UTC', doc: 'Time zone of gpu.hours.' },
  { key: 'train.gpu', default: 'false', doc: 'With true, jobs on GPUs are made as well.' },
  { key: 'bulk.hardware', default: 'cpu', doc: 'Hardware for shards: cpu or gpu.' },
  {
    key: 'data.bucket',
    default: 'one is made for each stack',
    doc: 'Bucket for rows, shards and results.',
  },
  { key: 'vpc.id', default: 'a network is made', doc: 'ID of an existing network.' },
  { key: 'vpc.cidr', default: 'none', doc: 'Addresses of vpc.id, such as 10.0.0.0/16.' },
  { key: 'vpc.zones', default: 'none', doc: 'Its availability zones, separated by commas.' },
  { key: 'vpc.public', default: 'none', doc: 'Its public subnets, one for each zone.' },
  {
    key: 'vpc.private',
    default: 'none',
    doc: 'Its private subnets with a route out, one for each zone.',
  },
  { key: 'zone.id', default: 'none', doc: 'Route 53 zone in which the names are made.' },
  { key: 'zone.name', default: 'none', doc: 'Name of that zone.' },
  { key: 'alarms.email', default: 'none', doc: 'Email for alarms.' },
  { key: 'alarms.topic', default: 'one is made', doc: 'ARN of an SNS topic for alarms.' },
] as const satisfies readonly ContextKey[]

/** The key of a value. */
export type ContextName = (typeof CONTEXT_KEYS)[number]['key']
