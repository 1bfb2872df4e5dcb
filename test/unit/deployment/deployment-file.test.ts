import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changeJson } from '../../../shared/deployment/change-json.ts'
import {
  findDeploymentFile,
  parseDeployment,
  readDeployment,
} from '../../../shared/deployment/deployment-file.ts'
import { updateDeploymentFile } from '../../../shared/deployment/update-file.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-deployment-'))
  path = join(folder, 'espalier.deploy.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const parse = (file: unknown, environment?: string) =>
  parseDeployment(
    'deploy.json',
    typeof file === 'string' ? file : JSON.stringify(file),
    environment,
  )

const TWO = {
  region: 'eu-west-1',
  cpu: { iam: true, memory: 1769 },
  environments: {
    production: { cpu: { memory: 3008 } },
    staging: { name: 'Staging', cpu: { iam: null, open: true } },
  },
}

describe('a deployment file', () => {
  it('gives values by their keys', () => {
    const file = {
      $schema: 'x',
      stacks: ['store'],
      cpu: { memory: 1769, jwt: { audience: ['a'] } },
    }
    const { environment, values } = parse(file)
    expect(environment).toBeNull()
    expect(Object.fromEntries(values)).toEqual({
      stacks: ['store'],
      'cpu.memory': 1769,
      'cpu.jwt.audience': ['a'],
    })
  })

  it('gives an environment over what holds for all; null takes a value away', () => {
    expect(Object.fromEntries(parse(TWO, 'production').values)).toEqual({
      region: 'eu-west-1',
      'cpu.iam': true,
      'cpu.memory': 3008,
    })
    expect(Object.fromEntries(parse(TWO, 'staging').values)).toEqual({
      region: 'eu-west-1',
      name: 'Staging',
      'cpu.open': true,
      'cpu.memory': 1769,
    })
  })

  it('takes the only environment where none is named', () => {
    expect(parse({ environments: { us: { region: 'us-east-1' } } }).environment).toBe('us')
  })

  it('lets environments share a name in different regions or accounts', () => {
    const elsewhere = { a: { region: 'eu-west-1' }, b: { region: 'us-east-1' } }
    expect(parse({ environments: elsewhere }, 'a').environment).toBe('a')
    const accounts = { a: { account: '111111111111' }, b: { account: '222222222222' } }
    expect(parse({ region: 'eu-west-1', environments: accounts }, 'b').environment).toBe('b')
  })

  it.each<[string, unknown, string | undefined, RegExp]>([
    ['no JSON', '{\n  "region": \n}', undefined, /^deploy.json line 3: this is not JSON; expected/],
    ['a list', [], undefined, /^deploy.json: .*must be an object of settings/],
    [
      'a misspelt key',
      { cpu: { memroy: 1 } },
      undefined,
      /^deploy.json: cpu.memroy is no setting; did you mean cpu.memory\?$/,
    ],
    [
      'a key with its dots',
      { 'cpu.memory': 1769 },
      undefined,
      /^deploy.json: cpu.memory is no setting; .*\{"cpu": \{"memory": …\}\}$/,
    ],
    [
      'what only a command says',
      { environment: 'production' },
      undefined,
      /^deploy.json: environment is no setting/,
    ],
    [
      'a text for a number',
      { cpu: { memory: '1769' } },
      undefined,
      /^deploy.json: cpu.memory is "1769"; it must be a whole number from 128 to 10240$/,
    ],
    [
      'a value for a group',
      { cpu: 1769 },
      undefined,
      /^deploy.json: cpu is 1769; it must be an object of settings/,
    ],
    [
      'a wrong word in a list',
      { stacks: ['store', 'tpu'] },
      undefined,
      /^deploy.json: stacks.1 is "tpu"; it must be a list of store, cpu/,
    ],
    [
      'a fault of an environment',
      { environments: { us: { cpu: { timeout: 60 } } } },
      undefined,
      /^deploy.json: environments.us.cpu.timeout is 60; it must be a whole number from 3 to 29$/,
    ],
    [
      'a name that is none',
      { environments: { 'US East': {} } },
      undefined,
      /^deploy.json: environments has "US East"; a name is/,
    ],
    ['null for all', { cpu: { iam: null } }, undefined, /^deploy.json: cpu.iam is null; it must/],
    [
      'two environments that are the same place',
      { region: 'eu-west-1', environments: { a: {}, b: {} } },
      'a',
      /^deploy.json: a and b are both Espalier in eu-west-1; give one another "name"$/,
    ],
    [
      'no choice',
      TWO,
      undefined,
      /has the environments production, staging; name one: environment/,
    ],
    ['no such one', TWO, 'test', /"test" is no environment; there are production, staging$/],
    ['no environments', {}, 'test', /"test" is no environment; it has no environments$/],
  ])('is refused with %s', (_, file, environment, message) => {
    expect(() => parse(file, environment)).toThrow(message)
  })

  it('is found in the first folder that has one', () => {
    expect(findDeploymentFile([folder])).toBeNull()
    writeFileSync(path, '{}')
    expect(findDeploymentFile([join(folder, 'none'), folder])).toBe(path)
    expect(() => readDeployment(join(folder, 'other.json'))).toThrow(/other.json: there is no such/)
  })
})

describe('a change of one value', () => {
  const key = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier/keys-AbCdEf'

  it('keeps order and spaces of the rest', async () => {
    const text =
      '{\n    "stacks": ["store",   "cpu"],\n    "cpu": { "memory": 1769 },\n    "name": "A"\n}\n'
    writeFileSync(path, text)
    await updateDeploymentFile(path, null, 'cpu.keys', key)
    expect(readFileSync(path, 'utf8')).toBe(
      text.replace('1769 }', `1769, "keys": ${JSON.stringify(key)} }`),
    )
    await updateDeploymentFile(path, null, 'cpu.memory', 3008)
    expect(readFileSync(path, 'utf8')).toContain('{ "memory": 3008, "keys"')
    expect(readdirSync(folder)).toEqual(['espalier.deploy.json'])
  })

  it('goes into the environment that is meant', async () => {
    writeFileSync(path, JSON.stringify(TWO, null, 2))
    await updateDeploymentFile(path, 'production', 'cpu.rate', 20)
    expect(readDeployment(path, 'production').values.get('cpu.rate')).toBe(20)
    expect(readDeployment(path, 'staging').values.has('cpu.rate')).toBe(false)
    await expect(updateDeploymentFile(path, undefined, 'cpu.rate', 5)).rejects.toThrow(/name one/)
  })

  it('leaves the file as it was where the value cannot be', async () => {
    const text = '{"cpu":{"memory":1769}}'
    writeFileSync(path, text)
    await expect(updateDeploymentFile(path, null, 'cpu.memory', 1)).rejects.toThrow(/from 128/)
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it.each([
    ['{}', '{\n  "cpu": {\n    "rate": 5\n  }\n}'],
    ['{"cpu":{}}', '{"cpu":{\n  "rate": 5\n}}'],
    ['{"cpu": {"rate": 1}, "a": [1, {"b": "}"}]}', '{"cpu": {"rate": 5}, "a": [1, {"b": "}"}]}'],
    ['{\r\n\t"a": 1\r\n}', '{\r\n\t"a": 1,\r\n\t"cpu": {\r\n\t\t"rate": 5\r\n\t}\r\n}'],
    ['{"a\\"": "\\\\", "cpu": {"x": null}}', '{"a\\"": "\\\\", "cpu": {"x": null, "rate": 5}}'],
  ])('%s becomes %s', (before, after) => {
    const changed = changeJson(before, ['cpu', 'rate'], 5)
    expect(changed).toBe(after)
    const expected = JSON.parse(before)
    expected.cpu = { ...expected.cpu, rate: 5 }
    expect(JSON.parse(changed)).toEqual(expected)
  })
})
