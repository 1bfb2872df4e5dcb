/** One value that `-c key=value` or `cdk.json` gives. */
export interface ContextKey {
  readonly key: string
  readonly doc: string
  /** Said where it is left out; empty for what is needed when its stack is asked for. */
  readonly default: string
}

/** Every value of a deployment, in the order of documentation. */
export const CONTEXT_KEYS = [
  { key: 'region', default: 'that of your AWS profile', doc: 'Region of AWS to deploy to.' },
  {
    key: 'stacks',
    default: 'store,cpu,ops',
    doc: 'Stacks to deploy: store, cpu, gpu, train, bulk, ops, with commas between them.',
  },
  { key: 'name', default: 'Espalier', doc: 'What the names of the stacks open with.' },
  {
    key: 'image.cpu',
    default: 'built from this folder',
    doc: 'Image for Lambda and for jobs without a GPU, by digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST.',
  },
  {
    key: 'image.gpu',
    default: 'built from this folder',
    doc: 'Image for GPUs, by digest.',
  },
  {
    key: 'image.args',
    default: 'none',
    doc: 'Arguments of a build from this folder, as infra/docker/resolve-digests.sh prints them.',
  },
  {
    key: 'permissionsBoundary',
    default: 'none',
    doc: 'ARN of a policy that bounds every role.',
  },
  {
    key: 'store.removers',
    default: 'none',
    doc: 'ARNs of roles that may delete versions, with commas between them.',
  },
  { key: 'cpu.jwt.issuer', default: 'none', doc: 'Issuer of the tokens of callers, an https URL.' },
  {
    key: 'cpu.jwt.audience',
    default: 'none',
    doc: 'Whom tokens are for, with commas between them.',
  },
  { key: 'cpu.iam', default: 'false', doc: 'With true, callers sign with AWS credentials.' },
  { key: 'cpu.open', default: 'false', doc: 'With true, everybody may call.' },
  {
    key: 'cpu.private',
    default: 'none',
    doc: 'Endpoint of a network (vpce-…) that alone reaches the API; goes with cpu.iam.',
  },
  { key: 'cpu.architecture', default: 'x86_64', doc: 'Processor of the image: x86_64 or arm64.' },
  {
    key: 'cpu.memory',
    default: '3538',
    doc: 'Memory of the function in MiB, 1,769 for each vCPU.',
  },
  { key: 'cpu.timeout', default: '29', doc: 'Longest time to answer, in seconds.' },
  {
    key: 'cpu.concurrency',
    default: "the account's limit",
    doc: 'Most copies of the function at once.',
  },
  { key: 'cpu.domain', default: "API Gateway's name", doc: 'Name of the API.' },
  { key: 'cpu.certificate', default: 'none', doc: 'ARN of the certificate of cpu.domain.' },
  { key: 'gpu.domain', default: '', doc: 'Name of the API on GPUs.' },
  { key: 'gpu.certificate', default: '', doc: 'ARN of the certificate of gpu.domain.' },
  { key: 'gpu.jwt.issuer', default: 'none', doc: 'Issuer of the tokens of callers, an https URL.' },
  {
    key: 'gpu.jwt.audience',
    default: 'none',
    doc: 'Whom tokens are for, with commas between them.',
  },
  {
    key: 'gpu.keys',
    default: 'none',
    doc: 'ARN of a secret with the lines of `espalier keys create`, commas between them.',
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
  { key: 'gpu.types', default: 'T4,L4,A10G', doc: 'GPUs that will do: T4, L4, A10G, L40S.' },
  { key: 'gpu.tasks', default: '2', doc: 'Most tasks at once, each with a GPU.' },
  {
    key: 'gpu.idle',
    default: 'quiet',
    doc: 'When there is no task: never, quiet (after gpu.quiet minutes without calls) or schedule (outside of gpu.hours).',
  },
  {
    key: 'gpu.quiet',
    default: '60',
    doc: 'Minutes without calls after which the last task is stopped.',
  },
  {
    key: 'gpu.hours',
    default: '7-19',
    doc: 'Hours from Monday to Friday in which there is a task.',
  },
  { key: 'gpu.zone', default: 'Etc/UTC', doc: 'Time zone of gpu.hours.' },
  { key: 'train.gpu', default: 'false', doc: 'With true, there are jobs on GPUs as well.' },
  { key: 'bulk.hardware', default: 'cpu', doc: 'What shards are computed on: cpu or gpu.' },
  {
    key: 'data.bucket',
    default: 'one is made for each stack',
    doc: 'Bucket for rows, shards and results.',
  },
  { key: 'vpc.id', default: 'a network is made', doc: 'A network that is there already.' },
  { key: 'vpc.cidr', default: 'none', doc: 'Addresses of vpc.id, such as 10.0.0.0/16.' },
  { key: 'vpc.zones', default: 'none', doc: 'Its availability zones, with commas between them.' },
  { key: 'vpc.public', default: 'none', doc: 'Its public subnets, one for each zone.' },
  {
    key: 'vpc.private',
    default: 'none',
    doc: 'Its private subnets with a way out, one for each zone.',
  },
  { key: 'zone.id', default: 'none', doc: 'Zone of Route 53 in which the names are made.' },
  { key: 'zone.name', default: 'none', doc: 'Name of that zone.' },
  { key: 'alarms.email', default: 'none', doc: 'Whom alarms tell by mail.' },
  { key: 'alarms.topic', default: 'one is made', doc: 'ARN of a topic of SNS that alarms go to.' },
] as const satisfies readonly ContextKey[]

/** The key of a value. */
export type ContextName = (typeof CONTEXT_KEYS)[number]['key']
