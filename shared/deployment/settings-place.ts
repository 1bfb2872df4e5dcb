import { ARN, choice, FLAG, LIST, type Setting, SHARE, TEXT, whole } from './setting-types.ts'

/** Settings of jobs, and of what stacks share: data, network, names, alarms. */
export const PLACE_SETTINGS = [
  {
    key: 'train.gpu',
    type: FLAG,
    default: 'false',
    doc: 'With true, jobs on GPUs are made as well.',
  },
  {
    key: 'bulk.hardware',
    type: choice('cpu', 'gpu'),
    default: 'cpu',
    doc: 'Hardware for shards: cpu or gpu.',
  },
  {
    key: 'data.bucket',
    type: TEXT,
    default: 'one is made for each stack',
    doc: 'Bucket for rows, shards and results.',
  },
  {
    key: 'data.prefix',
    type: TEXT,
    default: 'the whole bucket',
    doc: 'Prefix of the data bucket that jobs are held to, such as rows/.',
  },
  {
    key: 'data.days',
    type: whole(1, 3650),
    default: 'for ever',
    doc: 'Days after which rows and results are deleted, in buckets that are made.',
  },
  {
    key: 'jobs.stuck',
    type: whole(5, 1440),
    default: '30',
    doc: 'Minutes that a job may wait in RUNNABLE before an alarm.',
  },
  {
    key: 'network.layout',
    type: choice('fixed', '1-public', '1-nat'),
    default: '1-nat with gpu, else 1-public',
    doc: 'Subnets of the network: fixed, which stay as stacks are added, or those of earlier deployments. A deployed network keeps its layout.',
  },
  {
    key: 'network.nat',
    type: whole(0, 2),
    default: '1 with gpu or 1-nat, else 0',
    doc: 'NAT gateways of the network, paid by the hour.',
  },
  { key: 'vpc.id', type: TEXT, default: 'a network is made', doc: 'ID of an existing network.' },
  {
    key: 'vpc.cidr',
    type: TEXT,
    default: 'none',
    doc: 'Addresses of vpc.id, such as 10.0.0.0/16.',
  },
  {
    key: 'vpc.zones',
    type: LIST,
    default: 'none',
    doc: 'Its availability zones, separated by commas.',
  },
  {
    key: 'vpc.public',
    type: LIST,
    default: 'none',
    doc: 'Its public subnets, one for each zone.',
  },
  {
    key: 'vpc.private',
    type: LIST,
    default: 'none',
    doc: 'Its private subnets with a route out, one for each zone.',
  },
  {
    key: 'zone.id',
    type: TEXT,
    default: 'none',
    doc: 'Route 53 zone in which the names are made.',
  },
  { key: 'zone.name', type: TEXT, default: 'none', doc: 'Name of that zone.' },
  { key: 'alarms.email', type: TEXT, default: 'none', doc: 'Email for alarms.' },
  {
    key: 'alarms.topic',
    type: ARN,
    default: 'one is made',
    doc: 'ARN of an SNS topic for alarms.',
  },
  {
    key: 'bake.minutes',
    type: whole(1, 240),
    default: 'none',
    doc: 'Minutes after a promotion in which a champion that fails is rolled back. Needs events, ops, and cpu or gpu.',
  },
  {
    key: 'bake.errors',
    type: SHARE,
    default: '0.05',
    doc: 'Share of its answers, 0 to 1, that are faults of the server, above which it is rolled back.',
  },
  {
    key: 'bake.latency',
    type: whole(1, 600_000),
    default: 'any',
    doc: 'Time to answer in milliseconds, 95th percentile, above which it is rolled back.',
  },
  {
    key: 'bake.alarms',
    type: LIST,
    default: 'none',
    doc: 'Names of metric alarms of CloudWatch that roll it back when they go off, 10 at most, separated by commas.',
  },
  {
    key: 'budget.monthly',
    type: whole(1, 10_000_000),
    default: 'none',
    doc: 'US dollars a month of which a mail is sent: at 80 % by forecast, and when they are spent.',
  },
  { key: 'budget.email', type: TEXT, default: 'that of alarms', doc: 'Email for the budget.' },
] as const satisfies readonly Setting[]
