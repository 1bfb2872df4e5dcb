import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EVERYTHING, SMALLEST, synthesize } from './synthesize.ts'

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
  it('leaves nothing to build', () => {
    expect(synthesize(EVERYTHING).images).toEqual([])
  })
})
