import {
  ARN,
  choices,
  FLAG,
  LIST,
  type Setting,
  type SettingType,
  type SettingValue,
  TEXT,
} from './setting-types.ts'
import { CPU_SETTINGS } from './settings-cpu.ts'
import { GPU_SETTINGS } from './settings-gpu.ts'
import { PLACE_SETTINGS } from './settings-place.ts'

/** Parts that can be deployed. */
export const STACKS = ['store', 'cpu', 'gpu', 'train', 'bulk', 'ops'] as const
export type StackName = (typeof STACKS)[number]

const FRAME_SETTINGS = [
  {
    key: 'region',
    type: TEXT,
    default: 'that of your AWS profile',
    doc: 'AWS region to deploy to.',
  },
  {
    key: 'account',
    type: TEXT,
    default: 'whoever deploys',
    doc: 'ID of the AWS account; other credentials are refused.',
  },
  {
    key: 'file',
    type: TEXT,
    default: 'espalier.deploy.json',
    doc: 'Deployment file. It is looked for in the current folder and in the root of the clone.',
    ofCommand: true,
  },
  {
    key: 'environment',
    type: TEXT,
    default: 'the only one',
    doc: 'Environment of the deployment file.',
    ofCommand: true,
  },
  {
    key: 'stacks',
    type: choices(...STACKS),
    default: 'store,cpu,ops',
    doc: 'Stacks to deploy, separated by commas: store, cpu, gpu, train, bulk, ops.',
  },
  { key: 'name', type: TEXT, default: 'Espalier', doc: 'Stack name prefix.' },
  {
    key: 'image.cpu',
    type: TEXT,
    default: 'built from this folder',
    doc: 'Image for Lambda and for jobs without a GPU, by the digest of one platform: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST.',
  },
  {
    key: 'image.gpu',
    type: TEXT,
    default: 'built from this folder',
    doc: 'Image for GPUs, by digest.',
  },
  {
    key: 'image.args',
    type: TEXT,
    default: 'none',
    doc: 'Build arguments for an image built from this folder, as infra/docker/resolve-digests.sh prints them.',
  },
  {
    key: 'tags',
    type: LIST,
    default: 'none',
    doc: 'Tags of every stack, KEY=VALUE, separated by commas. espalier:deployment is the one that a budget counts by.',
  },
  {
    key: 'permissionsBoundary',
    type: ARN,
    default: 'none',
    doc: 'ARN of a permissions boundary for every role.',
  },
  {
    key: 'store.removers',
    type: LIST,
    default: 'none',
    doc: 'ARNs of roles that may delete versions, separated by commas.',
  },
  {
    key: 'events',
    type: FLAG,
    default: 'false',
    doc: 'With true, every change of a model makes an event on the default bus of EventBridge.',
  },
] as const satisfies readonly Setting[]

/** Every setting of a deployment, in the order of documentation. */
export const SETTINGS = [
  ...FRAME_SETTINGS,
  ...CPU_SETTINGS,
  ...GPU_SETTINGS,
  ...PLACE_SETTINGS,
] as const satisfies readonly Setting[]

/** The key of a setting. */
export type SettingKey = (typeof SETTINGS)[number]['key']

/** Stacks, and memory of the function in MiB, of a deployment that does not say them. */
export const DEFAULT_STACKS = ['store', 'cpu', 'ops'] as const satisfies readonly StackName[]
export const DEFAULT_MEMORY_MIB = 3538

/** Stacks that values ask for. */
export function stacksOf(values: ReadonlyMap<SettingKey, SettingValue>): readonly string[] {
  const stacks = values.get('stacks')
  return Array.isArray(stacks) ? stacks : DEFAULT_STACKS
}

/** What a setting may be. */
export function typeOf(key: SettingKey): SettingType {
  return SETTINGS.find((setting) => setting.key === key)!.type
}
