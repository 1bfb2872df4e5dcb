import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hashKey } from '../../../shared/lib/api-keys.ts'
import { type FakeAccount, startFakeAccount } from '../../fakes/fake-account.ts'
import { denied, type FakeAws, startFakeAws } from '../../fakes/fake-aws.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const REGION = 'eu-central-1'
const BOOTSTRAP = '/cdk-bootstrap/hnb659fds/version'
const CERTIFICATE = `arn:aws:acm:${REGION}:123456789012:certificate/11111111-2222-3333-4444-555555555555`
const SECRET = `arn:aws:secretsmanager:${REGION}:123456789012:secret:espalier/keys-AbCdEf`
const ENDPOINT = { service: `com.amazonaws.${REGION}.execute-api`, state: 'available' }
const EVERYTHING = {
  stacks: 'store,cpu,gpu,train,bulk,ops',
  'cpu.concurrency': '50',
  'cpu.private': 'vpce-1',
  'gpu.domain': 'models.example.com',
  'gpu.certificate': CERTIFICATE,
  'zone.id': 'Z1',
  'zone.name': 'example.com',
  'gpu.keys': SECRET,
  'train.gpu': 'true',
  'bulk.hardware': 'gpu',
}

interface Result {
  readonly check: string
  readonly status: string
  readonly found: string
  readonly fix?: string
}

const work = mkdtempSync(join(tmpdir(), 'espalier-doctor-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

let aws: FakeAws
let account: FakeAccount
beforeEach(async () => {
  aws = await startFakeAws()
  account = await startFakeAccount()
  const env = { ...aws.env, ...account.env, AWS_EC2_METADATA_DISABLED: 'true' }
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  useDocker('echo 28.0.1')
  aws.parameters.set(BOOTSTRAP, ['29'])
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all([aws.close(), account.close()])
})

/** A docker that does what the shell script says, found before all others. */
function useDocker(script: string): void {
  const folder = mkdtempSync(join(work, 'bin-'))
  writeFileSync(join(folder, 'docker'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, 'docker'), 0o755)
  vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`)
}

/** What a deployment of everything names is there. */
function prepareEverything(): void {
  const names = ['*.example.com', 'example.com']
  account.state.certificates[CERTIFICATE] = { status: 'ISSUED', names }
  account.state.zones.Z1 = { name: 'example.com', isPrivate: false }
  account.state.endpoints['vpce-1'] = { ...ENDPOINT }
  putKeys(`site:infer:${hashKey('esp_secret').toString('hex')}`)
}

function putKeys(text: string): void {
  aws.secrets.set('espalier/keys', {
    arn: SECRET,
    texts: new Map([['1', text]]),
    stages: new Map([['AWSCURRENT', '1']]),
    deleted: false,
  })
}

const run = (...argv: string[]) =>
  runCommand(['aws', 'doctor', ...argv], { boot: createFakeBoot() })

async function examine(values: Readonly<Record<string, string>> = {}, ...argv: string[]) {
  const pairs = Object.entries(values).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const { code, stdout, stderr } = await run('--json', ...pairs, ...argv)
  expect(stderr).toBe('')
  const report = JSON.parse(stdout) as { ready: boolean; account: string; results: Result[] }
  expect(code).toBe(report.ready ? 0 : 1)
  const find = (check: string) => report.results.find((result) => result.check === check)
  const statuses = Object.fromEntries(report.results.map(({ check, status }) => [check, status]))
  return { ...report, code, find, statuses }
}

describe('an account that has everything', () => {
  it('is ready for the smallest deployment', async () => {
    const { ready, statuses, ...report } = await examine({ 'cpu.memory': '1769' })
    expect(statuses).toEqual({
      credentials: 'ok',
      region: 'ok',
      bootstrap: 'ok',
      memory: 'ok',
      concurrency: 'ok',
      docker: 'ok',
    })
    expect(ready).toBe(true)
    expect(report.account).toBe('123456789012')
  })

  it('is ready for all stacks, of which it only reads', async () => {
    prepareEverything()
    const { results, ready } = await examine(EVERYTHING)
    expect(results.filter(({ status }) => status !== 'ok')).toEqual([])
    expect(ready).toBe(true)
    expect(results.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['gpu quota', 'gpu spot quota', 'gpu certificate', 'gpu domain']),
    )
    const asked = [...account.calls, ...aws.calls.map(({ name }) => name.replace('.', ':'))]
    expect(asked.length).toBeGreaterThan(8)
    for (const action of asked) expect(action).toMatch(/^[a-z0-9]+:(Get|Describe)/)
  })

  it('is told of in lines, with what to do below', async () => {
    account.state.quotas = {}
    const { code, stdout } = await run('-c', 'stacks=store,train', '-c', 'train.gpu=true')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ok {7}credentials {2}arn:aws:sts::123456789012/m)
    expect(stdout).toMatch(/^missing {2}gpu quota {4}0 vCPUs of "Running On-Demand G and VT/m)
    expect(stdout).toMatch(/^ +→ aws service-quotas request-service-quota-increase --region eu-/m)
    expect(stdout).toMatch(/^1 missing, 4 ok, in eu-central-1$/m)
  })
})

describe('a new account', () => {
  beforeEach(() => {
    aws.parameters.clear()
    Object.assign(account.state, { limit: 10, unreserved: 10, quotas: {} })
    useDocker('exit 1')
  })

  it('lacks what can be asked of AWS, each with a command', async () => {
    const { find, ready } = await examine({ ...EVERYTHING, 'cpu.memory': '3538' })
    expect(ready).toBe(false)
    expect(find('bootstrap')).toMatchObject({
      status: 'missing',
      fix: 'npx cdk bootstrap aws://123456789012/eu-central-1',
    })
    expect(find('memory')).toMatchObject({
      status: 'warning',
      found: expect.stringMatching(/no API tells .* mostly bound to 3008 MB/),
      fix: expect.stringContaining('set cpu.memory to 3008 or less'),
    })
    expect(find('concurrency')).toMatchObject({
      status: 'missing',
      found: expect.stringContaining('keeps 50 for itself, and AWS keeps at least 100 unreserved'),
      fix: 'aws service-quotas request-service-quota-increase --region eu-central-1 --service-code lambda --quota-code L-B99A9384 --desired-value 1000',
    })
    // Serving takes two tasks, and as many again for a new version; training up to 32.
    expect(find('gpu quota')).toMatchObject({
      status: 'missing',
      fix: 'aws service-quotas request-service-quota-increase --region eu-central-1 --service-code ec2 --quota-code L-DB2E81BA --desired-value 48',
    })
    expect(find('gpu spot quota')?.fix).toContain('--quota-code L-3819A6DF --desired-value 256')
    expect(find('docker')).toMatchObject({ status: 'missing', found: 'no docker daemon answers' })
    expect(find('gpu certificate')?.fix).toBe(
      'aws acm request-certificate --region eu-central-1 --domain-name models.example.com --validation-method DNS',
    )
    expect(find('gpu domain')?.status).toBe('missing')
    expect(find('gpu.keys')?.fix).toBe(
      'espalier aws keys create --name first --secret espalier/keys --region eu-central-1',
    )
    expect(find('vpc endpoint')?.status).toBe('missing')
  })

  it('takes a function of 3,008 MiB, and needs no docker for an image by digest', async () => {
    aws.parameters.set(BOOTSTRAP, ['6'])
    const values = { 'cpu.memory': '3008', 'image.cpu': 'x@sha256:0' }
    const { ready, statuses } = await examine(values)
    expect(statuses).toMatchObject({ memory: 'ok', concurrency: 'warning' })
    expect(statuses).not.toHaveProperty('docker')
    expect(ready).toBe(true)
  })
})

describe('what is there and does not fit', () => {
  beforeEach(prepareEverything)

  it('a bootstrap that is too old', async () => {
    aws.parameters.set(BOOTSTRAP, ['5'])
    expect((await examine()).find('bootstrap')).toMatchObject({
      status: 'missing',
      found: 'version 5; the stacks need 6',
    })
  })

  it('reserved executions that others have', async () => {
    account.state.unreserved = 120
    const { find } = await examine({ 'cpu.concurrency': '50' })
    expect(find('concurrency')?.status).toBe('warning')
  })

  it.each([
    ['PENDING_VALIDATION', ['models.example.com'], /its status is PENDING_VALIDATION/],
    ['ISSUED', ['*.models.example.com'], /it is for .*, not for models.example.com/],
    ['ISSUED', ['api.models.example.com'], /not for models.example.com/],
  ])('a certificate that is %s for %j', async (status, names, found) => {
    account.state.certificates[CERTIFICATE] = { status, names }
    expect((await examine(EVERYTHING)).find('gpu certificate')).toMatchObject({
      status: 'missing',
      found: expect.stringMatching(found),
    })
  })

  it('a certificate of another region', async () => {
    const elsewhere = CERTIFICATE.replace(REGION, 'us-east-1')
    const { find } = await examine({ ...EVERYTHING, 'gpu.certificate': elsewhere })
    expect(find('gpu certificate')?.found).toContain('lies in us-east-1, and the API in')
  })

  it.each([
    [{ name: 'example.org', isPrivate: false }, /models.example.com is not in the zone/],
    [{ name: 'example.com', isPrivate: true }, /is a private one/],
  ])('a zone: %j', async (zone, found) => {
    account.state.zones.Z1 = zone
    expect((await examine(EVERYTHING)).find('gpu domain')).toMatchObject({
      status: 'missing',
      found: expect.stringMatching(found),
    })
  })

  it('a secret that servers would refuse, of which nothing is printed', async () => {
    putKeys('esp_this_is_a_key')
    const { results, find } = await examine(EVERYTHING)
    expect(find('gpu.keys')?.status).toBe('missing')
    expect(JSON.stringify(results)).not.toContain('esp_this_is_a_key')
    putKeys('# no keys')
    expect((await examine(EVERYTHING)).find('gpu.keys')?.status).toBe('warning')
  })

  it('a VPC endpoint of another service', async () => {
    account.state.endpoints['vpce-1'] = { ...ENDPOINT, service: 'com.amazonaws.eu-central-1.s3' }
    expect((await examine(EVERYTHING)).find('vpc endpoint')?.status).toBe('missing')
  })
})

describe('a place that cannot be', () => {
  it.each(['cn-north-1', 'us-gov-west-1', 'us-iso-east-1'])(
    'another partition, %s, of which AWS is not asked',
    async (region) => {
      const { find, ready } = await examine({}, '--region', region)
      expect(find('region')).toMatchObject({
        status: 'missing',
        found: expect.stringMatching(/of the partition aws-.*work in the partition aws alone/),
      })
      expect(ready).toBe(false)
      expect(account.calls).toEqual([])
    },
  )

  it.each([
    ['mars-1', /"mars-1" is no region/],
    ['eu-west-9', /AWS has no region eu-west-9/],
  ])('no region of AWS, %s', async (region, found) => {
    const { find } = await examine({}, '--region', region)
    expect(find('region')).toMatchObject({
      status: 'missing',
      found: expect.stringMatching(found),
    })
  })

  it('a region that is not enabled', async () => {
    const { find } = await examine({}, '--region', 'af-south-1')
    expect(find('region')).toMatchObject({
      status: 'missing',
      fix: 'aws account enable-region --region-name af-south-1',
    })
  })

  it('no region at all', async () => {
    vi.stubEnv('AWS_REGION', '')
    vi.stubEnv('AWS_CONFIG_FILE', join(work, 'none'))
    const { find } = await examine()
    expect(find('region')).toMatchObject({ status: 'missing', found: 'no region is set' })
  })

  it('credentials that AWS does not know', async () => {
    account.state.unknownCaller = 'InvalidClientTokenId'
    const { results, ready } = await examine({ 'image.cpu': 'x' })
    expect(results).toEqual([
      {
        check: 'credentials',
        status: 'missing',
        found: expect.stringContaining('the AWS credentials are not valid'),
        fix: expect.stringContaining('aws sso login'),
      },
    ])
    expect(ready).toBe(false)
  })
})

describe('what AWS does not tell', () => {
  it('is unknown, with the right that is missing', async () => {
    prepareEverything()
    aws.fault = denied
    const actions = [
      'ec2:DescribeRegions',
      'ec2:DescribeVpcEndpoints',
      'lambda:GetAccountSettings',
      'servicequotas:GetServiceQuota',
      'acm:DescribeCertificate',
      'route53:GetHostedZone',
    ]
    account.state.denied = new Set(actions)
    const { results, ready } = await examine(EVERYTHING)
    const unknown = results.filter(({ status }) => status === 'unknown')
    const found = unknown.map((result) => result.found).join('\n')
    for (const action of [...actions, 'ssm:GetParameter', 'secretsmanager:GetSecretValue']) {
      expect(found).toContain(`allow ${action} on `)
    }
    expect(results.filter(({ status }) => status === 'ok').map(({ check }) => check)).toEqual([
      'credentials',
      'docker',
    ])
    // Nothing is known to be missing.
    expect(ready).toBe(true)
  })

  it('does not hold up the rest', async () => {
    account.state.hanging.add('lambda:GetAccountSettings')
    const { statuses } = await examine({ 'cpu.memory': '1769' })
    expect(statuses).toMatchObject({ concurrency: 'unknown', bootstrap: 'ok', memory: 'ok' })
  }, 30_000)

  it('ends where nothing answers', async () => {
    account.state.hanging.add('*')
    const { results, code } = await examine({ 'image.cpu': 'x' })
    expect(results).toMatchObject([{ check: 'credentials', status: 'unknown' }])
    expect(code).toBe(1)
  }, 30_000)
})

describe('a deployment file', () => {
  const file = join(work, 'espalier.deploy.json')

  it('says what is needed, by environment; the command wins over it', async () => {
    writeFileSync(
      file,
      JSON.stringify({
        cpu: { memory: 1769 },
        environments: {
          staging: { region: REGION, name: 'Staging' },
          production: { region: 'af-south-1', account: '111111111111' },
        },
      }),
    )
    const staging = await examine({}, '--file', file, '--environment', 'staging')
    expect(staging.ready).toBe(true)
    expect(staging.find('memory')?.found).toContain('1769 MiB')
    const larger = await examine({ 'cpu.memory': '3538' }, '--file', file, '--environment=staging')
    expect(larger.find('memory')?.found).toContain('3538 MiB')
    const production = await examine({}, '--file', file, '--environment', 'production')
    expect(production.find('credentials')).toMatchObject({
      status: 'missing',
      found: expect.stringContaining('is not of the account 111111111111'),
    })
    expect(await run('--file', file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/staging, production; name one: --environment/),
    })
  })
})

it('refuses a setting without a value, or of no such name', async () => {
  expect(await run('-c', 'cpu.memroy=1769')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('"cpu.memroy=1769" is no setting; did you mean cpu.memory?'),
  })

  expect(await run('-c', 'cpu.memory')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('key=value'),
  })
  expect(await run('-c', 'cpu.memory=much')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cpu.memory is "much"; it must be a whole number'),
  })
})
