import { ARN, choice, FLAG, LIST, type Setting, TEXT, whole } from './setting-types.ts'

/** Settings of the endpoint on Lambda. */
export const CPU_SETTINGS = [
  {
    key: 'cpu.jwt.issuer',
    type: TEXT,
    default: 'none',
    doc: 'Issuer of the tokens of callers, an https URL.',
  },
  {
    key: 'cpu.jwt.audience',
    type: LIST,
    default: 'none',
    doc: 'Token audience; several are separated by commas.',
  },
  {
    key: 'cpu.iam',
    type: FLAG,
    default: 'false',
    doc: 'With true, callers sign with AWS credentials.',
  },
  {
    key: 'cpu.keys',
    type: ARN,
    default: 'none',
    doc: 'Callers have keys: ARN of a secret, or of an SSM parameter of type SecureString, with the lines that `keys create` prints.',
  },
  { key: 'cpu.open', type: FLAG, default: 'false', doc: 'With true, everybody may call.' },
  {
    key: 'cpu.private',
    type: TEXT,
    default: 'none',
    doc: 'VPC endpoint (vpce-…) that is the only way to the API. Needs cpu.iam.',
  },
  {
    key: 'cpu.architecture',
    type: choice('x86_64', 'arm64'),
    default: 'x86_64',
    doc: 'Processor of image.cpu, for Lambda and for jobs without a GPU: x86_64 or arm64.',
  },
  {
    key: 'cpu.memory',
    type: whole(128, 10_240),
    default: '3538',
    doc: 'Memory of the function in MiB, 1,769 for each vCPU.',
  },
  {
    key: 'cpu.timeout',
    type: whole(3, 29),
    default: '29',
    doc: 'Longest time to answer, in seconds.',
  },
  {
    key: 'cpu.concurrency',
    type: whole(1, 100_000),
    default: "the account's limit",
    doc: 'Reserved concurrency of the function.',
  },
  {
    key: 'cpu.provisioned',
    type: whole(1, 100_000),
    default: 'none',
    doc: 'Copies of the function that stay started, paid by the hour. Not together with cpu.snapstart.',
  },
  {
    key: 'cpu.snapstart',
    type: FLAG,
    default: 'false',
    doc: 'With true, new copies start from a snapshot, which is charged for by the hour.',
  },
  {
    key: 'cpu.rate',
    type: whole(1, 100_000),
    default: '50',
    doc: 'Requests a second that the API lets through.',
  },
  {
    key: 'cpu.burst',
    type: whole(1, 100_000),
    default: '100',
    doc: 'Requests at once that the API lets through.',
  },
  { key: 'cpu.domain', type: TEXT, default: "API Gateway's name", doc: 'Name of the API.' },
  {
    key: 'cpu.certificate',
    type: ARN,
    default: 'none',
    doc: 'ARN of the certificate of cpu.domain.',
  },
] as const satisfies readonly Setting[]
