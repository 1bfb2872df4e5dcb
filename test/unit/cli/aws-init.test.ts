import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readDeployment } from '../../../shared/deployment/deployment-file.ts'
import { runCommand } from './run.ts'

const work = mkdtempSync(join(tmpdir(), 'espalier-init-'))
const file = join(work, 'espalier.deploy.json')
const never = () => Promise.reject(new Error('not needed'))
const init = (...argv: string[]) =>
  runCommand(['aws', 'init', '--file', file, ...argv], { boot: never })
const valuesOf = (environment?: string) =>
  Object.fromEntries(readDeployment(file, environment).values)

beforeEach(() => {
  rmSync(file, { force: true })
  vi.stubEnv('AWS_REGION', '')
  vi.stubEnv('AWS_DEFAULT_REGION', '')
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('espalier aws init', () => {
  it('writes what fits a new account, and says what comes next', async () => {
    const run = await init('--region', 'eu-west-1', '--email', 'ops@example.com')
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('espalier aws doctor\n  espalier aws keys create --name website\n')
    const values = valuesOf()
    expect(values).toMatchObject({
      region: 'eu-west-1',
      'alarms.email': 'ops@example.com',
      'network.layout': 'fixed',
    })
    // What Lambda gives a new account: 3,008 MB a function, ten copies at once.
    expect(values['cpu.memory']).toBeLessThanOrEqual(3008)
    expect(values['cpu.burst']).toBeLessThanOrEqual(10)
    expect(readdirSync(work)).toEqual(['espalier.deploy.json'])
  })

  it('takes any setting, each as what it is', async () => {
    const more = ['cpu.iam=true', 'cpu.memory=3008', 'store.removers=arn:aws:iam::1:role/a']
    await init(
      '--region',
      'eu-west-1',
      '--stacks',
      'store,cpu',
      ...more.flatMap((each) => ['-c', each]),
    )
    expect(valuesOf()).toMatchObject({
      'cpu.iam': true,
      'cpu.memory': 3008,
      stacks: ['store', 'cpu'],
      'store.removers': ['arn:aws:iam::1:role/a'],
    })
  })

  it('takes the region of the environment, and asks for one', async () => {
    vi.stubEnv('AWS_DEFAULT_REGION', 'us-east-2')
    expect((await init()).code).toBe(0)
    expect(valuesOf().region).toBe('us-east-2')
    vi.stubEnv('AWS_DEFAULT_REGION', '')
    expect(await init('--force')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no region: give one with --region'),
    })
  })

  it('adds environments to a file, and leaves the rest of it alone', async () => {
    await init('--region', 'eu-west-1', '--environment', 'production')
    const before = readFileSync(file, 'utf8')
    const added = await init(
      '--region',
      'us-east-1',
      '--environment',
      'us',
      '-c',
      'cpu.memory=3008',
    )
    expect(added.stdout).toContain('npm run deploy -- -c environment=us')
    expect(valuesOf('production')).toMatchObject({ region: 'eu-west-1', 'cpu.memory': 1769 })
    expect(valuesOf('us')).toMatchObject({
      region: 'us-east-1',
      'cpu.memory': 3008,
      'cpu.rate': 10,
    })
    for (const line of before.split('\n').filter((each) => /[a-z]/.test(each))) {
      expect(readFileSync(file, 'utf8')).toContain(line)
    }
    const twice = await init('--region', 'eu-north-1', '--environment', 'us')
    expect(twice).toMatchObject({ code: 2, stderr: expect.stringContaining('has us already') })
    const same = await init('--region', 'us-east-1', '--environment', 'staging')
    expect(same.code).not.toBe(0)
    expect(same.stderr).toContain('give one another "name"')
  })

  it('describes what an earlier version deployed with --adopt', async () => {
    await init('--adopt', '--region', 'eu-west-1')
    expect(valuesOf()).toMatchObject({
      'cpu.memory': 3538,
      'cpu.rate': 50,
      'cpu.burst': 100,
      'cpu.iam': true,
      'network.layout': '1-public',
    })
    const tokens = ['-c', 'cpu.jwt.issuer=https://issuer.example.com', '-c', 'cpu.jwt.audience=a']
    await init(
      '--adopt',
      '--force',
      '--region',
      'eu-west-1',
      '--stacks',
      'store,cpu,gpu',
      ...tokens,
    )
    expect(valuesOf()).toMatchObject({ 'network.layout': '1-nat', 'cpu.jwt.audience': ['a'] })
    expect(valuesOf()).not.toHaveProperty('cpu.iam')
  })

  it('writes over nothing unless it is told to, and nothing that cannot be', async () => {
    writeFileSync(file, '{"region": "eu-west-1"}')
    expect(await init('--region', 'us-east-1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is there already'),
    })
    const bad = await init('--force', '--region', 'us-east-1', '-c', 'cpu.memory=64')
    expect(bad.stderr).toContain('cpu.memory is 64; it must be a whole number from 128 to 10240')
    expect(bad.code).toBe(2)
    expect(readFileSync(file, 'utf8')).toBe('{"region": "eu-west-1"}')
    const unknown = await init('--force', '--region', 'us-east-1', '-c', 'cpu.memori=64')
    expect(unknown.stderr).toContain('cpu.memori is no setting; did you mean cpu.memory?')
    expect((await init('--force', '--region', 'us-east-1')).code).toBe(0)
  })
})
