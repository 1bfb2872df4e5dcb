import { beforeAll, describe, expect, it } from 'vitest'
import { Match } from '../../cdk/testing.ts'
import { findUnknownVariables, parseConfig } from '../../shared/lib/config/config.ts'
import { readPairs } from './environment.ts'
import { compose, EVERYTHING, IMAGE, ofType, type Synthesis, synthesize } from './synthesize.ts'

interface JobProperties {
  readonly PlatformCapabilities: string[]
  readonly ContainerProperties: {
    readonly RuntimePlatform?: { readonly CpuArchitecture?: string }
    readonly Command: string[]
    readonly Environment: { Name: string; Value: unknown }[]
    readonly ResourceRequirements: { Type: string; Value: string }[]
  }
  readonly RetryStrategy: unknown
  readonly Timeout: unknown
}

function jobsOf(synthesis: Synthesis, stack: string): JobProperties[] {
  return ofType(synthesis, stack, 'AWS::Batch::JobDefinition').map(
    ({ Properties }) => Properties as unknown as JobProperties,
  )
}

describe('the machines of jobs', () => {
  it('can be updated: by the role that Batch makes for itself, with the newest image and template', () => {
    const { resources } = synthesize({
      ...EVERYTHING,
      stacks: 'store,train,bulk',
      'bulk.hardware': 'gpu',
    })
    const environments = ['EspalierTrain', 'EspalierBulk'].flatMap((stack) =>
      Object.values(resources(stack)).filter(
        ({ Type }) => Type === 'AWS::Batch::ComputeEnvironment',
      ),
    )
    expect(environments).toHaveLength(3)
    for (const { Properties } of environments) {
      expect(Properties).not.toHaveProperty('ServiceRole')
      const machines = Properties?.ComputeResources as Record<string, unknown>
      if (machines.Type === 'FARGATE') continue
      expect(machines.UpdateToLatestImageVersion).toBe(true)
      expect(machines.LaunchTemplate).toMatchObject({
        Version: { 'Fn::GetAtt': expect.anything() },
      })
    }
  })
})

describe('rows and results', () => {
  const values = { ...EVERYTHING, stacks: 'store,train,bulk' }

  it('expire after the days that are set, under the prefix alone', () => {
    const synthesis = synthesize({ ...values, 'data.prefix': 'rows', 'data.days': '90' })
    for (const stack of ['EspalierTrain', 'EspalierBulk']) {
      synthesis.template(stack).hasResourceProperties('AWS::S3::Bucket', {
        LifecycleConfiguration: {
          Rules: Match.arrayWith([
            Match.objectLike({
              ExpirationInDays: 90,
              NoncurrentVersionExpiration: { NoncurrentDays: 1 },
              Prefix: 'rows/',
              Status: 'Enabled',
            }),
          ]),
        },
      })
    }
  })

  it.each([
    [{ 'data.prefix': '/rows' }, 'data.prefix is "/rows"'],
    [{ 'data.prefix': 'rows*' }, 'data.prefix is "rows*"'],
    [{ 'data.prefix': 'rows//x' }, 'data.prefix is "rows//x"'],
    [{ 'data.days': '30', 'data.bucket': 'rows-of-ours' }, 'data.bucket is a bucket of yours'],
  ])('refuse %j', (wrong, message) => {
    expect(() => compose({ ...values, ...wrong })).toThrow(message)
  })
})

describe('jobs', () => {
  let synthesis: Synthesis

  beforeAll(() => {
    synthesis = synthesize({ ...EVERYTHING, stacks: 'store,train,bulk' })
  })

  it('train and fine-tune, on processors and on GPUs', () => {
    const kinds = jobsOf(synthesis, 'EspalierTrain').map(
      ({ PlatformCapabilities, ContainerProperties: { Command, ResourceRequirements } }) => [
        Command[0],
        ...PlatformCapabilities,
        ...ResourceRequirements.filter(({ Type }) => Type === 'GPU').map(
          ({ Value }) => `${Value} GPU`,
        ),
      ],
    )
    expect(kinds.sort()).toEqual([
      ['finetune', 'EC2', '1 GPU'],
      ['finetune', 'FARGATE'],
      ['train', 'EC2', '1 GPU'],
      ['train', 'FARGATE'],
    ])
  })

  it.each(['x86_64', 'arm64'])('run on the processor of their image, %s', (architecture) => {
    const made = synthesize({
      ...EVERYTHING,
      'image.gpu': IMAGE.replace('espalier@', 'espalier-gpu@'),
      stacks: 'store,cpu,train,bulk',
      'cpu.architecture': architecture,
    })
    const [lambda] = ofType(made, 'EspalierCpuApi', 'AWS::Lambda::Function')
    expect(lambda?.Properties?.Architectures).toEqual([architecture])
    const kinds = ['EspalierTrain', 'EspalierBulk']
      .flatMap((stack) => jobsOf(made, stack))
      .map(({ PlatformCapabilities, ContainerProperties: { RuntimePlatform } }) => [
        ...PlatformCapabilities,
        RuntimePlatform?.CpuArchitecture,
      ])
    const onFargate = ['FARGATE', architecture.toUpperCase()]
    expect(kinds.sort()).toEqual([
      ['EC2', undefined],
      ['EC2', undefined],
      ...Array.from({ length: 4 }, () => onFargate),
    ])
  })

  it('take rows and a name as parameters, which have no default', () => {
    for (const job of jobsOf(synthesis, 'EspalierTrain')) {
      expect(job.ContainerProperties.Command.slice(1, 4)).toEqual([
        'Ref::data',
        '--name',
        'Ref::name',
      ])
      expect(job).not.toHaveProperty('Parameters')
    }
  })

  it('do their shard of a bulk run on capacity that may go', () => {
    const shard = ['bulk', 'Ref::input', '--output', 'Ref::output', '--quiet']
    expect(jobsOf(synthesis, 'EspalierBulk').map((job) => job.ContainerProperties.Command)).toEqual(
      [shard, [...shard, '--classifier', 'Ref::classifier']],
    )
    synthesis.template('EspalierBulk').hasResourceProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: { Type: 'FARGATE_SPOT', MaxvCpus: 256 },
    })
  })

  it('start again after what was not their fault, and not after what was', () => {
    const [job] = jobsOf(synthesis, 'EspalierBulk')
    expect(job?.RetryStrategy).toEqual({
      Attempts: 5,
      EvaluateOnExit: [
        { Action: 'RETRY', OnStatusReason: 'Host EC2*' },
        { Action: 'RETRY', OnReason: 'CannotPullContainerError:*' },
        { Action: 'RETRY', OnExitCode: '75' },
        { Action: 'RETRY', OnExitCode: '143' },
        { Action: 'EXIT', OnExitCode: '*' },
      ],
    })
    expect(job?.Timeout).toEqual({ AttemptDurationSeconds: 4 * 3600 })
  })

  it.each(['EspalierTrain', 'EspalierBulk'])(
    '%s gives settings that the command takes',
    (stack) => {
      for (const { ContainerProperties, PlatformCapabilities } of jobsOf(synthesis, stack)) {
        const env = readPairs(ContainerProperties.Environment)
        expect(findUnknownVariables(env)).toEqual([])
        const onGpu = PlatformCapabilities.includes('EC2')
        expect(parseConfig(env).device).toBe(onGpu ? 'cuda' : 'cpu')
      }
    },
  )

  it('let a training job publish and read rows, and a bulk job read models and write results', () => {
    const rights = (stack: string) =>
      new Set(
        ofType(synthesis, stack, 'AWS::IAM::Policy')
          .map((policy) => JSON.stringify(policy))
          .filter((text) => text.includes('s3:'))
          .flatMap((text) => text.match(/s3:[A-Z][A-Za-z]+/g) ?? []),
      )
    expect(rights('EspalierTrain')).toEqual(
      new Set([
        's3:GetObject',
        's3:ListBucket',
        's3:PutObject',
        's3:AbortMultipartUpload',
        's3:DeleteObject',
      ]),
    )
    expect(rights('EspalierBulk')).toEqual(
      new Set(['s3:GetObject', 's3:ListBucket', 's3:PutObject', 's3:AbortMultipartUpload']),
    )
  })

  it('leave the rows of a user where they are when the stack goes', () => {
    for (const stack of ['EspalierTrain', 'EspalierBulk']) {
      const buckets = ofType(synthesis, stack, 'AWS::S3::Bucket')
      expect(buckets).toHaveLength(2)
      for (const bucket of buckets) expect(bucket.DeletionPolicy).toBe('Retain')
    }
  })

  it('take no machine while there is no job', () => {
    synthesis.template('EspalierTrain').hasResourceProperties('AWS::Batch::ComputeEnvironment', {
      ComputeResources: {
        Type: 'EC2',
        MinvCpus: 0,
        Ec2Configuration: [{ ImageType: 'ECS_AL2023_NVIDIA' }],
        InstanceTypes: ['g4dn.xlarge', 'g5.xlarge', 'g6.xlarge'],
      },
    })
  })

  it('use a bucket that is there already', () => {
    const inside = synthesize({
      ...EVERYTHING,
      stacks: 'store,bulk',
      'data.bucket': 'rows-of-ours',
      'bulk.hardware': 'gpu',
    })
    expect(ofType(inside, 'EspalierBulk', 'AWS::S3::Bucket')).toEqual([])
    inside.template('EspalierBulk').hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: 's3:ListBucket',
            Resource: Match.arrayWith(['arn:aws:s3:::rows-of-ours']),
          }),
        ]),
      },
    })
    expect(jobsOf(inside, 'EspalierBulk')[0]?.PlatformCapabilities).toEqual(['EC2'])
  })
})
