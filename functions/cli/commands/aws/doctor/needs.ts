import {
  findDeploymentFile,
  readDeployment,
} from '../../../../../shared/deployment/deployment-file.ts'
import {
  DEFAULT_MEMORY_MIB,
  DEFAULT_STACKS,
  SETTINGS,
} from '../../../../../shared/deployment/settings.ts'
import { EspalierError } from '../../../../../shared/lib/errors.ts'
import { nearestName } from '../../../../../shared/lib/text/nearest.ts'

/** Values of a deployment by their keys, as the CDK takes them: `cpu.memory` is `3538`. */
export type DeploymentValues = Readonly<Record<string, string>>

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

/** Where the values of a deployment come from. */
export interface ValueSources {
  readonly file?: string | undefined
  readonly environment?: string | undefined
  /** Wins over the file. */
  readonly context: DeploymentValues
}

/**
 * The values of the deployment file, where there is one, with those of the command over them.
 * @throws EspalierError for a file that cannot be, and `invalid_request` for a key that is no setting
 */
export function readValues({ context, environment, ...given }: ValueSources): DeploymentValues {
  const keys = SETTINGS.map(({ key }) => String(key))
  const unknown = Object.keys(context).find((key) => !keys.includes(key))
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, keys)
    const hint = nearest === null ? `there are ${keys.join(', ')}` : `did you mean ${nearest}?`
    throw new EspalierError('invalid_request', `${unknown} is no setting; ${hint}`)
  }
  const file = given.file ?? findDeploymentFile(['.'])
  const filed = file === null ? [] : [...readDeployment(file, environment).values]
  return { ...Object.fromEntries(filed.map(([key, value]) => [key, String(value)])), ...context }
}

/** @throws EspalierError `invalid_request` for a value that is no number where one is needed */
export function readNeeds(values: DeploymentValues): DeploymentNeeds {
  const text = (key: string) => values[key]?.trim() || undefined
  const whole = (key: string, fallback: number) => wholeOf(key, text(key), fallback)
  const stacks = new Set(
    (text('stacks') ?? DEFAULT_STACKS.join(',')).split(',').map((name) => name.trim()),
  )
  const hasCpu = stacks.has('cpu')
  const hasGpu = stacks.has('gpu')
  const trainsOnGpu = stacks.has('train') && text('train.gpu') === 'true'
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

function wholeOf(key: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (/^[0-9]{1,7}$/.test(text)) return Number(text)
  throw new EspalierError('invalid_request', `${key} is "${text}"; it must be a whole number`)
}
