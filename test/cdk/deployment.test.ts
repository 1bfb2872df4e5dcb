import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { composeApp } from '../../cdk/compose.ts'
import { openDeployment } from '../../cdk/settings/deployment.ts'
import { App, Template } from '../../cdk/testing.ts'
import { readDeployment } from '../../shared/deployment/deployment-file.ts'
import {
  adoptDeployment,
  nestValues,
  parseSetting,
} from '../../shared/deployment/new-deployment.ts'
import { CDK_JSON, type ContextValues, EVERYTHING, IMAGE, synthesize } from './synthesize.ts'

const cdkJson = fileURLToPath(new URL('../../cdk/cdk.json', import.meta.url))
const KEYS = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier/keys-AbCdEf'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-deployment-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(file: unknown, name = 'espalier.deploy.json'): string {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(file))
  return path
}

/** What the command line of the CDK does with a file and `-c key=value`. */
function start(values: ContextValues = {}, account?: string, json = cdkJson): App {
  const context = { ...CDK_JSON, ...values }
  const app = new App({ context, outdir: join(folder, 'cdk.out') })
  const deployment = openDeployment(app, { folders: [folder], cdkJson: json, account })
  composeApp(app, { defaultRegion: 'eu-west-1', deployment })
  return app
}

const stacksOf = (app: App) => app.node.children.map(({ node }) => node.id).sort()
const read = (app: App, stack: string) => Template.fromStack(app.node.findChild(stack) as never)
const authorization = (app: App) =>
  Object.values(read(app, 'EspalierCpuApi').findResources('AWS::ApiGatewayV2::Route')).map(
    ({ Properties }) => Properties.AuthorizationType,
  )

const JWT = { jwt: { issuer: 'https://issuer.example.com', audience: ['a', 'b'] } }
const BASE = { stacks: ['store', 'cpu'], image: { cpu: IMAGE } }

describe('a deployment file', () => {
  it('says which stacks there are, for every command alike', () => {
    write({ ...BASE, stacks: ['store', 'cpu', 'train', 'bulk', 'ops'], cpu: { iam: true } })
    expect(stacksOf(start())).toEqual([
      'EspalierBulk',
      'EspalierCpuApi',
      'EspalierModelStore',
      'EspalierNetwork',
      'EspalierOps',
      'EspalierTrain',
    ])
  })

  it('says who may call: a bare command does not bring IAM back', () => {
    write({ ...BASE, cpu: JWT })
    expect(new Set(authorization(start()))).toEqual(new Set(['JWT']))
  })

  it('that says nothing of callers is refused, not opened to somebody', () => {
    write({ ...BASE, cpu: { memory: 1769 } })
    expect(() => start()).toThrow(/^CpuApi: nothing says who may call it/)
  })

  it('gives way to -c, also to an empty value', () => {
    write({ ...BASE, cpu: { ...JWT, memory: 1769 } })
    const values = { 'cpu.jwt.issuer': '', 'cpu.jwt.audience': '', 'cpu.iam': 'true' }
    const app = start({ ...values, 'cpu.memory': '3008' })
    expect(new Set(authorization(app))).toEqual(new Set(['AWS_IAM']))
    read(app, 'EspalierCpuApi').hasResourceProperties('AWS::Lambda::Function', { MemorySize: 3008 })
  })

  it('leaves what it does not say as earlier deployments had it', () => {
    write({ ...BASE, cpu: { iam: true } })
    const template = read(start(), 'EspalierCpuApi')
    template.hasResourceProperties('AWS::Lambda::Function', { MemorySize: 3538 })
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      DefaultRouteSettings: { ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 },
    })
  })

  it('has environments, of which one is named', () => {
    const environments = {
      production: { cpu: { keys: KEYS } },
      staging: { name: 'Staging', cpu: { iam: true } },
    }
    write({ ...BASE, environments })
    expect(stacksOf(start({ environment: 'staging' }))).toEqual([
      'StagingCpuApi',
      'StagingModelStore',
    ])
    expect(stacksOf(start({ environment: 'production' }))).toContain('EspalierCpuApi')
    expect(() => start()).toThrow(/environments production, staging; name one: -c environment=…$/)
    expect(() => start({ environment: 'test' })).toThrow(/"test" is no environment; there are/)
  })

  it('is the one that -c file names', () => {
    write({ ...BASE, name: 'Wrong', cpu: { iam: true } })
    write({ ...BASE, name: 'Right', cpu: { iam: true } }, 'other.json')
    expect(stacksOf(start({ file: 'other.json' }))).toEqual(['RightCpuApi', 'RightModelStore'])
    expect(() => start({ file: 'none.json' })).toThrow(/none.json: there is no such file$/)
  })

  it('belongs to an account', () => {
    const path = write({ ...BASE, account: '111111111111', cpu: { iam: true } })
    expect(stacksOf(start({}, '111111111111'))).toHaveLength(2)
    expect(() => start({}, '222222222222')).toThrow(
      `${path}: the deployment belongs to the account 111111111111, and the credentials are of 222222222222`,
    )
  })

  it('stands alone: a setting in cdk.json beside it is refused', () => {
    write({ ...BASE, cpu: JWT })
    const json = join(folder, 'cdk.json')
    writeFileSync(json, JSON.stringify({ context: { 'cpu.iam': 'true', '@aws-cdk/core:x': true } }))
    expect(() => start({ 'cpu.iam': 'true' }, undefined, json)).toThrow(
      /^cdk.json sets cpu.iam, and there is a deployment file; write it into .*espalier.deploy.json/,
    )
    expect(Object.keys(JSON.parse(readFileSync(cdkJson, 'utf8')).context).join()).not.toMatch(
      /,cpu/,
    )
  })

  it.each<[string, unknown, RegExp]>([
    [
      'a misspelt setting',
      { cpu: { memroy: 1 } },
      /cpu.memroy is no setting; did you mean cpu.mem/,
    ],
    ['a number as a text', { cpu: { memory: '1769' } }, /cpu.memory is "1769"; it must be a whole/],
  ])('is refused with %s', (_, file, message) => {
    const path = write(file)
    expect(() => start()).toThrow(message)
    expect(() => start()).toThrow(path)
  })
})

describe('an earlier deployment', () => {
  it.each<[string, ContextValues]>([
    ['the default', { region: 'eu-west-1', 'image.cpu': IMAGE }],
    ['everything', EVERYTHING],
    ['jobs', { region: 'eu-west-1', stacks: 'store,train,bulk', 'image.cpu': IMAGE }],
    [
      'tokens',
      {
        region: 'eu-west-1',
        'image.cpu': IMAGE,
        'cpu.iam': 'false',
        'cpu.jwt.issuer': 'https://issuer.example.com',
        'cpu.jwt.audience': 'a,b',
      },
    ],
  ])('is the same when a file adopts it: %s', (_, values) => {
    const given = Object.entries(values).map(([key, value]) => parseSetting(`${key}=${value}`))
    const path = write(nestValues(adoptDeployment(new Map(given))))
    const before = synthesize(values)
    const assembly = start().synth()
    expect(assembly.stacks.map(({ stackName }) => stackName).sort()).toEqual(
      [...before.stacks].sort(),
    )
    for (const { stackName, templateFullPath } of assembly.stacks) {
      expect(readFileSync(templateFullPath, 'utf8')).toBe(before.text(stackName))
    }
    expect(readDeployment(path).values.get('cpu.memory')).toBe(3538)
  })
})

describe('without a deployment file', () => {
  it('the access is what -c says, and IAM where it says nothing', () => {
    const values = { stacks: 'store,cpu', 'image.cpu': IMAGE }
    expect(new Set(authorization(start(values)))).toEqual(new Set(['AWS_IAM']))
    rmSync(join(folder, 'cdk.out'), { recursive: true })
    const jwt = { 'cpu.jwt.issuer': 'https://issuer.example.com', 'cpu.jwt.audience': 'a' }
    expect(new Set(authorization(start({ ...values, ...jwt })))).toEqual(new Set(['JWT']))
  })

  it('an environment cannot be meant', () => {
    expect(() => start({ environment: 'production' })).toThrow(
      /^environment is "production", and there is no espalier.deploy.json/,
    )
  })
})
