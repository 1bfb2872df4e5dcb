import { type App, Aspects, PermissionsBoundary, type StackProps, Validations } from 'aws-cdk-lib'
import { InterfaceVpcEndpoint, type IVpc } from 'aws-cdk-lib/aws-ec2'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { AwsSolutionsChecks } from 'cdk-nag'
import type { Deployment } from '../shared/deployment/deployment-file.ts'
import type { CpuApi } from './constructs/cpu-api.ts'
import type { MonitoredEndpoint } from './constructs/endpoint.ts'
import type { MonitoredJobs } from './constructs/job-alerts.ts'
import type { ModelEvents } from './constructs/model-events.ts'
import { PlacementCheck } from './constructs/placement-check.ts'
import { type ImageTarget, ServiceImage } from './constructs/service-image.ts'
import { Context } from './settings/context.ts'
import { importNetwork } from './settings/existing-network.ts'
import { SettingError } from './settings/setting-error.ts'
import {
  readArchitecture,
  readBuildArgs,
  readCpuAccess,
  readCpuSize,
  readDataAge,
  readDomain,
  readFrame,
  readGpuSize,
  readJwt,
  readKeys,
  readMinutes,
} from './settings/settings.ts'
import { readBake, readBudget, readNetwork, readTags } from './settings/surroundings.ts'
import { BulkStack } from './stacks/bulk-stack.ts'
import { CpuApiStack } from './stacks/cpu-api-stack.ts'
import { GpuApiStack } from './stacks/gpu-api-stack.ts'
import { ModelStoreStack } from './stacks/model-store-stack.ts'
import { NetworkStack } from './stacks/network-stack.ts'
import { OpsStack } from './stacks/ops-stack.ts'
import { TrainStack } from './stacks/train-stack.ts'

/** What the command line of the CDK knows. */
export interface ComposeOptions {
  /**
   * The region of whoever deploys.
   * @default the context has to say it
   */
  readonly defaultRegion?: string
  /**
   * The deployment file; the context wins over it.
   * @default the context alone
   */
  readonly deployment?: Deployment | null
}

/**
 * Makes the stacks that the context asks for, under the checks of AwsSolutions.
 * @throws SettingError in the words of whoever set the context
 */
export function composeApp(
  app: App,
  { defaultRegion, deployment = null }: ComposeOptions = {},
): void {
  const context = new Context(app, deployment)
  const { region, name, stacks, permissionsBoundary } = readFrame(context, defaultRegion)
  // A region without an account: synthesis looks nothing up, and goes to whatever account deploys.
  const shared: StackProps = {
    env: { region },
    permissionsBoundary: permissionsBoundary
      ? PermissionsBoundary.fromArn(permissionsBoundary)
      : undefined,
    tags: readTags(context),
  }
  const budget = readBudget(context, stacks)
  const bake = readBake(context, stacks)
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  Aspects.of(app).add(new PlacementCheck())
  const endpoints: MonitoredEndpoint[] = []
  const jobs: MonitoredJobs[] = []
  let modelEvents: ModelEvents | undefined

  if (stacks.has('store')) {
    const base = new ModelStoreStack(app, `${name}ModelStore`, {
      ...shared,
      removers: context.list('store.removers'),
      withEvents: context.flag('events'),
    })
    const { store } = base
    modelEvents = base.modelEvents
    const image = (target: ImageTarget) => readImage(context, target)
    let network: IVpc | undefined
    const vpc = () => {
      network ??= importNetwork(base, context) ?? makeNetwork()
      return network
    }
    const makeNetwork = () =>
      new NetworkStack(app, `${name}Network`, {
        ...shared,
        ...readNetwork(context, stacks),
      }).vpc
    const bucket = context.text('data.bucket')
    const data = bucket ? Bucket.fromBucketName(base, 'ExistingData', bucket) : undefined
    const rows = { data, dataPrefix: context.text('data.prefix'), ...readDataAge(context) }

    let fallback: CpuApi | undefined
    if (stacks.has('cpu')) {
      const size = readCpuSize(context)
      const endpoint = context.text('cpu.private')
      const { api } = new CpuApiStack(app, `${name}CpuApi`, {
        ...shared,
        ...readCpuAccess(base, context),
        ...size,
        store,
        image: image('cpu'),
        domain: readDomain(context, 'cpu'),
        privateThrough: endpoint
          ? InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(base, 'ExistingEndpoint', {
              vpcEndpointId: endpoint,
              port: 443,
            })
          : undefined,
      })
      endpoints.push(api)
      fallback = api
    }
    if (stacks.has('gpu')) {
      if (context.flag('gpu.fallback') && fallback === undefined) {
        throw new SettingError(
          'gpu.fallback is true, and stacks has no cpu, which is to answer; add it, or leave gpu.fallback out',
        )
      }
      context.required('gpu.domain', 'the endpoint on GPUs speaks HTTPS, under a name of yours')
      const { api } = new GpuApiStack(app, `${name}GpuApi`, {
        ...shared,
        ...readGpuSize(context),
        store,
        vpc: vpc(),
        image: image('gpu'),
        domain: readDomain(context, 'gpu')!,
        jwt: readJwt(context, 'gpu'),
        apiKeys: readKeys(base, context, 'gpu'),
        open: context.flag('gpu.open'),
        isPrivate: context.flag('gpu.private'),
        fallback: context.flag('gpu.fallback') ? fallback : undefined,
      })
      endpoints.push(api)
    }
    if (stacks.has('train')) {
      const train = new TrainStack(app, `${name}Train`, {
        ...shared,
        store,
        ...rows,
        vpc: vpc(),
        image: image('cpu'),
        gpuImage: context.flag('train.gpu') ? image('gpu') : undefined,
      })
      jobs.push(train.jobs)
    }
    if (stacks.has('bulk')) {
      const hardware = context.choice('bulk.hardware', ['cpu', 'gpu'] as const, 'cpu')
      const bulk = new BulkStack(app, `${name}Bulk`, {
        ...shared,
        store,
        ...rows,
        hardware,
        vpc: vpc(),
        image: image(hardware),
      })
      jobs.push(bulk.jobs)
    }
  }
  if (stacks.has('ops')) {
    if (endpoints.length + jobs.length === 0) {
      throw new SettingError(
        'stacks has ops, and nothing that it could watch; add cpu, gpu, train or bulk',
      )
    }
    new OpsStack(app, `${name}Ops`, {
      ...shared,
      endpoints,
      jobs,
      modelEvents,
      stuckAfter: readMinutes(context, 'jobs.stuck'),
      email: context.text('alarms.email'),
      topicArn: context.text('alarms.topic'),
      budget,
      bake,
    })
  }
}

/** One image for each target: the function and the jobs without a GPU run the same. */
function readImage(context: Context, target: ImageTarget): ServiceImage {
  const architecture = target === 'cpu' ? readArchitecture(context) : 'x86_64'
  const reference = context.text(`image.${target}`)
  if (reference !== undefined) {
    if (architecture === 'arm64' && reference === context.text('image.gpu')) {
      throw new SettingError(
        'image.cpu is image.gpu, which is for x86_64, and cpu.architecture is arm64; name an image for each',
      )
    }
    return ServiceImage.fromDigest(reference, architecture)
  }
  return ServiceImage.fromSource({ target, architecture, buildArgs: readBuildArgs(context) })
}
