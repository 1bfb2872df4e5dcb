import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { PlacementCheck } from '../../cdk/constructs/placement-check.ts'
import { App, Aspects, CfnTaskDefinition, Stack } from '../../cdk/testing.ts'
import { CDK_JSON, type ContextValues, compose, EVERYTHING, SMALLEST } from './synthesize.ts'

const jwt = { 'cpu.jwt.issuer': 'https://issuer.example.com', 'cpu.jwt.audience': 'espalier' }

describe('a deployment that cannot be is refused in the words of its settings', () => {
  it.each<[string, ContextValues, RegExp]>([
    ['no region', { ...SMALLEST, region: '' }, /^region is missing: .*-c region=…$/],
    [
      'an unknown region',
      { ...SMALLEST, region: 'eu-west-9' },
      /"eu-west-9", which AWS does not have; there are .*eu-west-1/,
    ],
    [
      'a setting that is none',
      { ...SMALLEST, 'cpu.memroy': '2048' },
      /^-c cpu.memroy is no setting; there are .*cpu\.memory/,
    ],
    [
      'a stack that is none',
      { ...SMALLEST, stacks: 'store,tpu' },
      /^stacks has "tpu"; it takes store, cpu, gpu/,
    ],
    [
      'stacks without models',
      { ...SMALLEST, stacks: 'cpu' },
      /^stacks has cpu, whose models lie in store/,
    ],
    [
      'nothing to watch',
      { ...SMALLEST, stacks: 'store,ops' },
      /^stacks has ops, and nothing that it could watch/,
    ],
    [
      'a name with spaces',
      { ...SMALLEST, name: 'my espalier' },
      /^name is "my espalier"; it must be/,
    ],
    [
      'both JWT and IAM',
      { ...SMALLEST, ...jwt, 'cpu.iam': 'true' },
      /^CpuApi: callers are to be known by jwt and iam; .*leave one/,
    ],
    [
      'neither JWT nor IAM',
      { ...SMALLEST, 'cpu.iam': 'false' },
      /^CpuApi: nothing says who may call it; choose jwt or iam or keys, or "open"/,
    ],
    [
      'IAM and open',
      { ...SMALLEST, 'cpu.iam': 'true', 'cpu.open': 'true' },
      /known by iam and open/,
    ],
    [
      'tokens without an audience',
      { ...SMALLEST, 'cpu.iam': 'false', 'cpu.jwt.issuer': 'https://issuer.example.com' },
      /the audience of tokens is missing/,
    ],
    [
      'tokens without an issuer',
      { ...SMALLEST, 'cpu.jwt.audience': 'espalier' },
      /^cpu.jwt.issuer is missing/,
    ],
    [
      'an issuer without TLS',
      { ...SMALLEST, ...jwt, 'cpu.iam': 'false', 'cpu.jwt.issuer': 'http://issuer' },
      /issuer of tokens is "http:\/\/issuer"; it must be an https URL/,
    ],
    [
      'an image by tag',
      { ...SMALLEST, 'image.cpu': '123456789012.dkr.ecr.eu-west-1.amazonaws.com/espalier:latest' },
      /^the image is ".*:latest"; it must be .*@sha256:DIGEST/,
    ],
    [
      'an image of another region',
      { ...SMALLEST, region: 'us-east-1' },
      /^the image lies in eu-west-1 and the function in us-east-1/,
    ],
    [
      'more memory than Lambda has',
      { ...SMALLEST, 'cpu.memory': '12288' },
      /^the memory of the function is 12288 MiB; it must be a whole number from 128 to 10240$/,
    ],
    [
      'a timeout beyond the API',
      { ...SMALLEST, 'cpu.timeout': '60' },
      /^the timeout of the function, behind an API that waits 30 seconds, is 60 seconds; .* 3 to 29$/,
    ],
    [
      'half a number',
      { ...SMALLEST, 'cpu.memory': '2.5' },
      /^cpu.memory is "2.5"; it must be a whole number$/,
    ],
    [
      'an unknown processor',
      { ...SMALLEST, 'cpu.architecture': 'riscv' },
      /must be one of x86_64, arm64/,
    ],
    [
      'one image for two processors',
      { ...EVERYTHING, 'cpu.architecture': 'arm64' },
      /^image.cpu is image.gpu, which is for x86_64, and cpu.architecture is arm64/,
    ],
    [
      'a name without a certificate',
      { ...SMALLEST, 'cpu.domain': 'api.example.com' },
      /^cpu.certificate is missing: HTTPS under api.example.com/,
    ],
    [
      'a name outside of its zone',
      {
        ...SMALLEST,
        'cpu.domain': 'api.example.com',
        'cpu.certificate': 'arn:aws:acm:eu-west-1:123456789012:certificate/x',
        'zone.id': 'Z1',
        'zone.name': 'example.org',
      },
      /which is not in the zone example.org/,
    ],
    [
      'a private API with tokens',
      { ...SMALLEST, ...jwt, 'cpu.iam': 'false', 'cpu.private': 'vpce-0123456789abcdef0' },
      /^CpuApi: a private API knows its callers by their AWS credentials only/,
    ],
    [
      'GPU on Fargate',
      { ...EVERYTHING, 'gpu.capacity': 'fargate' },
      /^gpu.capacity is fargate, which has no GPUs/,
    ],
    ['GPUs without a name', { ...EVERYTHING, 'gpu.domain': '' }, /^gpu.domain is missing: .*HTTPS/],
    [
      'an unknown GPU',
      { ...EVERYTHING, 'gpu.types': 'L4,B200' },
      /^gpu.types has "B200"; it takes T4, L4, A10G, L40S/,
    ],
    [
      'keys and tokens for GPUs',
      { ...EVERYTHING, 'gpu.jwt.issuer': 'https://issuer.example.com', 'gpu.jwt.audience': 'a' },
      /^GpuApi: callers are to be known by jwt and apiKeys/,
    ],
    [
      'nobody for GPUs',
      { ...EVERYTHING, 'gpu.keys': '' },
      /^GpuApi: nothing says who may call it; choose jwt or apiKeys/,
    ],
    [
      'an evening before its morning',
      { ...EVERYTHING, 'gpu.idle': 'schedule', 'gpu.hours': '19-7' },
      /^gpu.hours is "19-7"; it must be two hours/,
    ],
    [
      'too short a quiet',
      { ...EVERYTHING, 'gpu.quiet': '1' },
      /sleep after 1 quiet minutes; it must be .* 5 to 1440/,
    ],
    [
      'no task at all',
      { ...EVERYTHING, 'gpu.tasks': '0' },
      /the most tasks at once is 0; it must be/,
    ],
    [
      'a network without its zones',
      { ...EVERYTHING, 'vpc.id': 'vpc-1', 'vpc.cidr': '10.0.0.0/16' },
      /^vpc.zones is missing: .*looked up/,
    ],
    [
      'a subnet too few',
      {
        ...EVERYTHING,
        'vpc.id': 'vpc-1',
        'vpc.cidr': '10.0.0.0/16',
        'vpc.zones': 'a,b',
        'vpc.private': 'subnet-1',
      },
      /^vpc.private has 1 subnets for 2 zones/,
    ],
    [
      'half an argument of a build',
      { ...SMALLEST, 'image.cpu': '', 'image.args': 'NODE_IMAGE' },
      /^image.args has "NODE_IMAGE"; it takes NAME=VALUE$/,
    ],
  ])('%s', (_, context, message) => {
    expect(() => compose(context)).toThrow(message)
  })

  it('a GPU on Fargate, whoever wrote the task', () => {
    const app = new App({ context: CDK_JSON })
    const stack = new Stack(app, 'Stack')
    new CfnTaskDefinition(stack, 'Task', {
      requiresCompatibilities: ['FARGATE'],
      containerDefinitions: [
        { name: 'a', image: 'b', resourceRequirements: [{ type: 'GPU', value: '1' }] },
      ],
    })
    Aspects.of(app).add(new PlacementCheck())
    expect(() => app.synth()).toThrow('Stack/Task: a GPU on Fargate, which has none')
  })
})

describe('the application as the command line of the CDK starts it', () => {
  const folder = fileURLToPath(new URL('../../cdk/', import.meta.url))

  function start(values: ContextValues) {
    const outdir = mkdtempSync(join(tmpdir(), 'espalier-cdk-'))
    const env = {
      PATH: process.env.PATH,
      HOME: outdir,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ ...CDK_JSON, ...values }),
    }
    const argv = ['--import', 'tsx', 'app.ts']
    const { status, stderr } = spawnSync(process.execPath, argv, {
      cwd: folder,
      env,
      encoding: 'utf8',
    })
    rmSync(outdir, { recursive: true, force: true })
    return { status, stderr }
  }

  it('ends with one line for a setting that cannot be', () => {
    const { status, stderr } = start({ ...SMALLEST, region: 'mars-north-1' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/\nespalier: region is "mars-north-1", which AWS does not have; .*\n$/)
  })

  it('synthesises without docker, account or network', () => {
    const { status, stderr } = start(SMALLEST)
    expect(status).toBe(0)
    expect(stderr).toMatch(
      /^espalier: there is no espalier.deploy.json: .*"espalier aws init --adopt/,
    )
  })

  it('reads the deployment file that -c names, and then warns of nothing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-deployment-'))
    const file = join(folder, 'production.json')
    const content = { region: 'eu-west-1', stacks: ['store'], environments: { eu: {} } }
    writeFileSync(file, JSON.stringify(content))
    expect(start({ file })).toEqual({ status: 0, stderr: '' })
    writeFileSync(file, JSON.stringify({ ...content, stack: [] }))
    expect(start({ file })).toEqual({
      status: 1,
      stderr: `espalier: ${file}: stack is no setting; did you mean stacks?\n`,
    })
    rmSync(folder, { recursive: true, force: true })
  })
})
