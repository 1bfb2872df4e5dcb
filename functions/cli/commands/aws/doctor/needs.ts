import type { DeploymentValues } from '../../../../../shared/deployment/new-deployment.ts'
import {
  DEFAULT_MEMORY_MIB,
  type SettingKey,
  stacksOf,
} from '../../../../../shared/deployment/settings.ts'

/** A name that the deployment gives an endpoint. */
export interface EndpointName {
  readonly endpoint: 'cpu' | 'gpu'
  readonly domain: string
  readonly certificate: string | undefined
}

/** GPUs on instances of one way to buy them. */
export interface GpuNeed {
  readonly market: 'on-demand' | 'spot'
  /** Without it nothing runs. */
  readonly leastVcpus: number
  /** What the deployment asks for at most. */
  readonly mostVcpus: number
}

/** What a deployment needs of an account. */
export interface DeploymentNeeds {
  /** Targets of the image that are built here. */
  readonly builds: readonly ('cpu' | 'gpu')[]
  readonly lambda:
    | { readonly memoryMib: number; readonly reserved: number; readonly provisioned: number }
    | undefined
  readonly gpus: readonly GpuNeed[]
  readonly names: readonly EndpointName[]
  readonly zone: { readonly id: string; readonly name: string | undefined } | undefined
  /** ARNs of secrets or parameters, by the setting that names them. */
  readonly keys: readonly { readonly setting: string; readonly arn: string }[]
  readonly vpcEndpoint: string | undefined
}

/** The smallest instances with a GPU have four: g4dn.xlarge, g5.xlarge, g6.xlarge. */
const VCPUS_PER_GPU = 4
/** As the stacks of jobs ask for by default. */
const MOST_TRAIN_VCPUS = 32
const MOST_BULK_VCPUS = 256

/** What a deployment of these values needs. */
export function readNeeds(values: DeploymentValues): DeploymentNeeds {
  const text = (key: SettingKey) => textOf(values, key)
  const whole = (key: SettingKey, fallback: number) => Number(values.get(key) ?? fallback)
  const stacks = new Set(stacksOf(values))
  const hasCpu = stacks.has('cpu')
  const hasGpu = stacks.has('gpu')
  const trainsOnGpu = stacks.has('train') && values.get('train.gpu') === true
  const bulkOnGpu = stacks.has('bulk') && text('bulk.hardware') === 'gpu'
  const usesCpuImage = hasCpu || stacks.has('train') || (stacks.has('bulk') && !bulkOnGpu)
  const usesGpuImage = hasGpu || trainsOnGpu || bulkOnGpu
  const endpoints = [...(hasCpu ? ['cpu' as const] : []), ...(hasGpu ? ['gpu' as const] : [])]
  const zone = text('zone.id')
  const gpus: GpuNeed[] = []
  if (hasGpu || trainsOnGpu) {
    // A new version starts as many tasks again beside the old ones.
    const serving = hasGpu ? 2 * whole('gpu.tasks', 2) * VCPUS_PER_GPU : 0
    gpus.push({
      market: 'on-demand',
      leastVcpus: hasGpu ? 2 * VCPUS_PER_GPU : VCPUS_PER_GPU,
      mostVcpus: serving + (trainsOnGpu ? MOST_TRAIN_VCPUS : 0),
    })
  }
  if (bulkOnGpu) {
    gpus.push({ market: 'spot', leastVcpus: VCPUS_PER_GPU, mostVcpus: MOST_BULK_VCPUS })
  }
  return {
    builds: [
      ...(usesCpuImage && !text('image.cpu') ? ['cpu' as const] : []),
      ...(usesGpuImage && !text('image.gpu') ? ['gpu' as const] : []),
    ],
    lambda: hasCpu
      ? {
          memoryMib: whole('cpu.memory', DEFAULT_MEMORY_MIB),
          reserved: whole('cpu.concurrency', 0),
          provisioned: whole('cpu.provisioned', 0),
        }
      : undefined,
    gpus,
    names: endpoints.flatMap((endpoint) => {
      const domain = text(`${endpoint}.domain`)
      return domain ? [{ endpoint, domain, certificate: text(`${endpoint}.certificate`) }] : []
    }),
    zone: zone ? { id: zone, name: text('zone.name') } : undefined,
    keys: endpoints.flatMap((endpoint) => {
      const arn = text(`${endpoint}.keys`)
      return arn ? [{ setting: `${endpoint}.keys`, arn }] : []
    }),
    vpcEndpoint: hasCpu ? text('cpu.private') : undefined,
  }
}

/** A setting of text; undefined where it is not given. */
export function textOf(values: DeploymentValues, key: SettingKey): string | undefined {
  const value = values.get(key)
  return typeof value === 'string' ? value.trim() || undefined : undefined
}
