import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDeployment } from '../../../shared/deployment/deployment-file.ts'
import { updateDeploymentFile } from '../../../shared/deployment/update-file.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-init-'))
  file = join(folder, 'espalier.deploy.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const init = (...argv: string[]) =>
  runCommand(['aws', 'init', '--file', file, ...argv], {
    boot: { ...createFakeBoot(), awsRegion: 'eu-central-1' },
  })
const text = () => readFileSync(file, 'utf8')
const values = (environment?: string) =>
  Object.fromEntries(readDeployment(file, environment).values)

describe('espalier aws init', () => {
  it('writes what fits a new account, and says what comes next', async () => {
    const { code, stdout, stderr } = await init('--email', 'ops@example.com')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(text()).toBe(`{
  "region": "eu-central-1",
  "stacks": ["store", "cpu", "ops"],
  "name": "Espalier",
  "tags": ["espalier:deployment=Espalier"],
  "events": true,
  "cpu": {
    "memory": 1769,
    "rate": 10,
    "burst": 10
  },
  "gpu": {
    "names": "region"
  },
  "data": {
    "prefix": "rows/"
  },
  "network": {
    "layout": "fixed"
  },
  "alarms": {
    "email": "ops@example.com"
  }
}
`)
    expect(stdout).toContain(`wrote ${file}\ncallers will have keys`)
    expect(stdout).toMatch(
      /next:\n {2}espalier aws keys create .*\n {2}espalier aws doctor .*\n {2}npm run bootstrap .*\n {2}npm run deploy /,
    )
    expect(readdirSync(folder)).toEqual(['espalier.deploy.json'])
    // Where the first key is written afterwards.
    await updateDeploymentFile(file, null, 'cpu.keys', 'arn:aws:ssm:eu-central-1:1:parameter/k')
    expect(text()).toContain('"burst": 10,\n    "keys": "arn:')
  })

  it('takes any setting as -c does, and the access that settings or the option say', async () => {
    const jwt = ['cpu.jwt.issuer=https://issuer.example.com', 'cpu.jwt.audience=a,b']
    const sets = [...jwt, 'cpu.memory=3008', 'train.gpu=true', 'stacks=store,cpu'].flatMap(
      (pair) => ['-c', pair],
    )
    const { code, stdout } = await init('--json', ...sets, '--region', 'us-east-1')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      file,
      environment: null,
      settings: { cpu: { memory: 3008, jwt: { audience: ['a', 'b'] } }, train: { gpu: true } },
      next: [expect.stringContaining('doctor'), expect.anything(), expect.anything()],
    })
    expect(values()).toMatchObject({ region: 'us-east-1', stacks: ['store', 'cpu'] })
    expect((await init('--force', '--access', 'iam')).code).toBe(0)
    expect(values()).toMatchObject({ 'cpu.iam': true, 'cpu.memory': 1769 })
  })

  it('writes the values of earlier versions for a deployment that is there', async () => {
    const { code, stdout } = await init('--adopt', '-c', 'stacks=store,cpu,train')
    expect(code).toBe(0)
    expect(values()).toEqual({
      region: 'eu-central-1',
      name: 'Espalier',
      stacks: ['store', 'cpu', 'train'],
      'cpu.iam': true,
      'cpu.memory': 3538,
      'cpu.rate': 50,
      'cpu.burst': 100,
      'network.layout': '1-public',
    })
    expect(stdout).toContain('npm run diff --')
  })

  it('writes a second environment beside the deployment of the file, which keeps its values', async () => {
    await init('--access', 'iam', '-c', 'cpu.memory=3008')
    const first = values()
    const { code, stdout } = await init('--environment', 'staging', '--region', 'us-east-1')
    expect(code).toBe(0)
    expect(values('production')).toEqual(first)
    expect(values('staging')).toMatchObject({ name: 'EspalierStaging', region: 'us-east-1' })
    expect(values('staging')).not.toHaveProperty('cpu.iam')
    expect(stdout).toContain('-c environment=staging')
    // A third leaves every letter of the others.
    const before = text()
    await init('--environment', 'us', '--region', 'us-west-2')
    const [head = '', tail = ''] = text().split(/,\n {4}"us": \{[\s\S]*?\n {4}\}/)
    expect(head + tail).toBe(before)
    expect(values('us')).toMatchObject({ name: 'EspalierUs', region: 'us-west-2' })
  })

  it('writes the first environment into a new file', async () => {
    await init('--environment', 'production')
    expect(values('production')).toMatchObject({ name: 'Espalier' })
    expect(readDeployment(file).environment).toBe('production')
  })

  it('writes over nothing that is not named', async () => {
    writeFileSync(file, '{"environments": {"a": {"region": "eu-west-1"}}}')
    const before = text()
    const whole = await init()
    expect(whole.code).not.toBe(0)
    expect(whole.stderr).toMatch(/is there already; .*--environment NAME.*--force/)
    const one = await init('--environment', 'a')
    expect(one.code).not.toBe(0)
    expect(one.stderr).toMatch(/has the environment a already/)
    expect(text()).toBe(before)
    expect((await init('--environment', 'a', '--force')).code).toBe(0)
    expect(values('a')).toMatchObject({ region: 'eu-central-1', 'cpu.memory': 1769 })
  })

  it.each<[string, string[], RegExp]>([
    ['a setting that is none', ['-c', 'cpu.memroy=1'], /cpu.memroy=1" is no setting; did you mean/],
    ['a value that cannot be', ['-c', 'cpu.memory=1GB'], /cpu.memory is "1GB"; it must be a whole/],
    ['a flag that is none', ['-c', 'cpu.iam=yes'], /cpu.iam is "yes"; it must be true or false/],
    ['no value', ['-c', 'cpu.memory'], /must be key=value/],
    [
      'a region of another partition',
      ['-c', 'region=cn-north-1'],
      /region is "cn-north-1", of the partition aws-cn; these stacks work in the partition aws alone/,
    ],
    [
      'such a region beside others',
      ['--adopt', '--region', 'us-gov-west-1'],
      /region is "us-gov-west-1", of the partition aws-us-gov; these stacks/,
    ],
    ['a stack that is none', ['--stacks', 'tpu'], /stacks is "tpu"; it must be a list of store/],
    ['tokens of nobody', ['--access', 'jwt'], /need both cpu.jwt.issuer/],
    ['another access', ['--access', 'password'], /Allowed choices are keys, iam, jwt, open/],
    ['an environment that cannot be', ['--environment', 'A B'], /environments has "A B"/],
  ])('refuses %s and writes nothing', async (_, argv, message) => {
    const { code, stderr } = await init(...argv)
    expect(code).not.toBe(0)
    expect(stderr).toMatch(message)
    expect(readdirSync(folder)).toEqual([])
  })

  it('asks for a region that nothing says', async () => {
    const boot = createFakeBoot()
    const { code, stderr } = await runCommand(['aws', 'init', '--file', file], { boot })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/there is no region; give one with --region/)
  })
})
