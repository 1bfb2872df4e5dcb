import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { type FakeAccount, startFakeAccount } from '../fakes/fake-account.ts'
import { type FakeAws, startFakeAws } from '../fakes/fake-aws.ts'

const bundle = bundledCli()
const REGION = 'eu-central-1'
const CERTIFICATE = `arn:aws:acm:${REGION}:123456789012:certificate/11111111-2222-3333-4444-555555555555`

// The build leaves out most of the clients of AWS: what is left must still speak all their protocols.
describe('espalier aws doctor as it is shipped', () => {
  let aws: FakeAws
  let account: FakeAccount
  beforeAll(async () => {
    aws = await startFakeAws()
    account = await startFakeAccount()
  })
  afterAll(async () => {
    await Promise.all([aws.close(), account.close()])
  })

  const doctor = (...argv: string[]) =>
    new Promise<{ code: number; stdout: string }>((resolve) => {
      const env = { ...process.env, ...aws.env, ...account.env, AWS_EC2_METADATA_DISABLED: 'true' }
      const args = [bundle.script, 'aws', 'doctor', '--json', ...argv]
      const child = execFile(process.execPath, args, { env }, (_error, stdout) =>
        resolve({ code: child.exitCode ?? -1, stdout }),
      )
    })
  const values = {
    stacks: 'store,cpu,gpu',
    'image.cpu': 'x',
    'image.gpu': 'x',
    'cpu.memory': '1769',
    'cpu.private': 'vpce-1',
    'gpu.domain': 'models.example.com',
    'gpu.certificate': CERTIFICATE,
    'zone.id': 'Z1',
  }
  const pairs = Object.entries(values).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const statuses = (stdout: string) => {
    const { results } = JSON.parse(stdout) as { results: { check: string; status: string }[] }
    return Object.fromEntries(results.map(({ check, status }) => [check, status]))
  }
  const checks = [
    'region',
    'bootstrap',
    'memory',
    'concurrency',
    'gpu quota',
    'gpu certificate',
    'gpu domain',
    'vpc endpoint',
  ]
  const all = (status: string) => Object.fromEntries(checks.map((check) => [check, status]))

  it('reads the answers of every service', async () => {
    aws.parameters.set('/cdk-bootstrap/hnb659fds/version', ['29'])
    account.state.certificates[CERTIFICATE] = { status: 'ISSUED', names: ['models.example.com'] }
    account.state.zones.Z1 = { name: 'example.com', isPrivate: false }
    const service = `com.amazonaws.${REGION}.execute-api`
    account.state.endpoints['vpce-1'] = { service, state: 'available' }
    const { code, stdout } = await doctor(...pairs)
    expect(statuses(stdout)).toEqual({ credentials: 'ok', ...all('ok') })
    expect(code).toBe(0)
  })

  it('reads the refusals of every service', async () => {
    aws.parameters.clear()
    Object.assign(account.state, { certificates: {}, zones: {}, endpoints: {}, quotas: {} })
    account.state.denied = new Set(['lambda:GetAccountSettings', 'ec2:DescribeRegions'])
    const { code, stdout } = await doctor(...pairs)
    expect(statuses(stdout)).toEqual({
      ...all('missing'),
      credentials: 'ok',
      region: 'unknown',
      memory: 'ok',
      concurrency: 'unknown',
    })
    expect(code).toBe(1)
  })

  it('loads the clients only when they are asked, and few of their commands', () => {
    const chunks = join(bundle.folder, 'dist/chunks')
    const using = readdirSync(chunks).filter((name) =>
      readFileSync(join(chunks, name), 'utf8').includes('@aws-sdk/client-ec2/dist-es'),
    )
    expect(using).toEqual([expect.stringMatching(/^account-/)])
    expect(statSync(join(chunks, using[0]!)).size).toBeLessThan(600_000)
    expect(readFileSync(bundle.script, 'utf8')).not.toContain(using[0]!.replace('.js', ''))
  })
})
