import { ARN, choice, FLAG, LIST, type Setting, TEXT } from './setting-types.ts'

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
] as const satisfies readonly Setting[]
