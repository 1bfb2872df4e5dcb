import { ARN, choice, choices, FLAG, LIST, type Setting, TEXT, whole } from './setting-types.ts'

/** Settings of the endpoint on GPUs. */
export const GPU_SETTINGS = [
  { key: 'gpu.domain', type: TEXT, default: '', doc: 'Name of the API on GPUs.' },
  { key: 'gpu.certificate', type: ARN, default: '', doc: 'ARN of the certificate of gpu.domain.' },
  {
    key: 'gpu.jwt.issuer',
    type: TEXT,
    default: 'none',
    doc: 'Issuer of the tokens of callers, an https URL.',
  },
  {
    key: 'gpu.jwt.audience',
    type: LIST,
    default: 'none',
    doc: 'Token audience; several are separated by commas.',
  },
  {
    key: 'gpu.keys',
    type: ARN,
    default: 'none',
    doc: 'Callers have keys, as in cpu.keys.',
  },
  {
    key: 'keys.kms',
    type: ARN,
    default: "AWS's own",
    doc: 'ARN of the KMS key of yours that encrypts cpu.keys and gpu.keys.',
  },
  { key: 'gpu.open', type: FLAG, default: 'false', doc: 'With true, everybody may call.' },
  {
    key: 'gpu.private',
    type: FLAG,
    default: 'false',
    doc: 'With true, the API is reached from within the network only.',
  },
  {
    key: 'gpu.capacity',
    type: TEXT,
    default: 'instances',
    doc: 'Where the tasks run: instances; Fargate has no GPUs.',
  },
  {
    key: 'gpu.types',
    type: choices('T4', 'L4', 'A10G', 'L40S'),
    default: 'T4,L4,A10G',
    doc: 'Allowed GPUs: T4, L4, A10G, L40S.',
  },
  {
    key: 'gpu.tasks',
    type: whole(1, 100),
    default: '2',
    doc: 'Most tasks at once, each with a GPU.',
  },
  {
    key: 'gpu.flight',
    type: whole(1, 100_000),
    default: '64',
    doc: 'Requests in flight for each task, above which another is started.',
  },
  {
    key: 'gpu.names',
    type: choice('account', 'region'),
    default: 'account',
    doc: 'What the role of the instances is unique in: account, as in earlier deployments, or region, for the same stack in several.',
  },
  {
    key: 'gpu.fallback',
    type: FLAG,
    default: 'false',
    doc: 'With true, the endpoint on Lambda answers while no task runs. Both need the same callers.',
  },
  {
    key: 'gpu.idle',
    type: choice('never', 'quiet', 'schedule'),
    default: 'quiet',
    doc: 'When no task runs: never, quiet (after gpu.quiet minutes without calls) or schedule (outside of gpu.hours).',
  },
  {
    key: 'gpu.quiet',
    type: whole(5, 1440),
    default: '60',
    doc: 'Minutes without calls after which the last task is stopped.',
  },
  {
    key: 'gpu.hours',
    type: TEXT,
    default: '7-19',
    doc: 'Hours from Monday to Friday in which a task runs.',
  },
  { key: 'gpu.zone', type: TEXT, default: 'Etc/UTC', doc: 'Time zone of gpu.hours.' },
] as const satisfies readonly Setting[]
