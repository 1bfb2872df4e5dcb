import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type Architecture,
  BulkJobs,
  CpuApi,
  ModelStore,
  Network,
  ServiceImage,
} from '../../cdk/index.ts'
import { App, Stack } from '../../cdk/testing.ts'
import { CDK_JSON, EVERYTHING, IMAGE, SMALLEST, synthesize } from './synthesize.ts'

const hasDockerfile = existsSync(new URL('../../infra/docker/Dockerfile', import.meta.url))
const base = `NODE_IMAGE=docker.io/library/node:24-bookworm-slim@sha256:${'a'.repeat(64)}`
const adapter = `ADAPTER_IMAGE=public.ecr.aws/awsguru/aws-lambda-adapter@sha256:${'b'.repeat(64)}`
// Only the copying is left out: the name of the image is the same.
const unstaged = { 'aws:cdk:disable-asset-staging': 'true' }

describe.skipIf(!hasDockerfile)('an image that is built from this folder', () => {
  it('is built by the deployment and not by the synthesis, for its target, from digests', () => {
    const { images } = synthesize({
      ...SMALLEST,
      ...unstaged,
      'image.cpu': '',
      'image.args': `--build-arg ${base} --build-arg ${adapter}`,
    })
    expect(images.map(({ source }) => source)).toEqual([
      expect.objectContaining({
        dockerFile: 'infra/docker/Dockerfile',
        dockerBuildTarget: 'cpu',
        platform: 'linux/amd64',
        dockerBuildArgs: {
          NODE_IMAGE: base.slice('NODE_IMAGE='.length),
          ADAPTER_IMAGE: adapter.slice('ADAPTER_IMAGE='.length),
        },
      }),
    ])
  })

  it('is one for processors and one for GPUs', () => {
    const { images } = synthesize({
      ...EVERYTHING,
      ...unstaged,
      'image.cpu': '',
      'image.gpu': '',
      'image.args': base,
    })
    const targets = images.map(({ source }) => source.dockerBuildTarget)
    expect([...new Set(targets)].sort()).toEqual(['cpu', 'gpu'])
  })
})

describe('an image by its digest', () => {
  const parts = () => {
    const stack = new Stack(new App({ context: CDK_JSON }), 'Stack', {
      env: { region: 'eu-west-1' },
    })
    const store = new ModelStore(stack, 'Models')
    return { stack, store, arm: ServiceImage.fromDigest(IMAGE, 'arm64') }
  }

  it('runs on its own processor alone, in a function', () => {
    const { stack, store, arm } = parts()
    const intel = ServiceImage.fromDigest(IMAGE)
    const make = (id: string, image: ServiceImage, architecture: Architecture) =>
      new CpuApi(stack, id, { store, image, architecture, iam: true })
    expect(() => make('One', intel, 'arm64')).toThrow(
      'the image is for x86_64 and the function for arm64; name an image for arm64',
    )
    expect(() => make('Two', arm, 'x86_64')).toThrow('the image is for arm64 and the function')
    const { service } = new CpuApi(stack, 'Three', { store, image: arm, iam: true })
    expect(service.function.architecture.name).toBe('arm64')
  })

  it('has no GPU where it is for arm64', () => {
    const { stack, store, arm } = parts()
    const { vpc } = new Network(stack, 'Network', { natGateways: 0 })
    expect(() => new BulkJobs(stack, 'Bulk', { store, vpc, image: arm, hardware: 'gpu' })).toThrow(
      'the image is for arm64 and the job Embed, on GPUs, for x86_64',
    )
  })

  it('leaves nothing to build', () => {
    expect(synthesize(EVERYTHING).images).toEqual([])
  })
})
