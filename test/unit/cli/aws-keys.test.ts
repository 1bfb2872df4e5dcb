import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hashKey } from '../../../shared/lib/api-keys.ts'
import { type AwsCall, denied, type FakeAws, refusal, startFakeAws } from '../../fakes/fake-aws.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { runCommand } from './run.ts'

const NAME = 'espalier/keys'
const SECRET = `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${NAME}-AbCdEf`
const PARAMETER = 'arn:aws:ssm:eu-central-1:123456789012:parameter/espalier/keys'
const HASH = 'a'.repeat(64)

let aws: FakeAws
beforeEach(async () => {
  aws = await startFakeAws()
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await aws.close()
})

const keys = (...argv: string[]) => runCommand(['aws', 'keys', ...argv], { boot: createFakeBoot() })

/** Makes a key and gives it with its line. */
async function create(name: string, ...argv: string[]) {
  const { code, stdout, stderr } = await keys('create', '--name', name, '--json', ...argv)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const made = JSON.parse(stdout) as { key: string; secret: string; created: boolean }
  return { ...made, line: `${name}:infer:${hashKey(made.key).toString('hex')}` }
}

const PLACES = [
  ['a secret', [], SECRET, () => aws.current(NAME)],
  [
    'a parameter',
    ['--parameter', '/espalier/keys'],
    PARAMETER,
    () => aws.parameters.get('/espalier/keys')?.at(-1),
  ],
] as const

describe.each(PLACES)('in %s', (_what, place, arn, text) => {
  it('the first key makes it, later ones are added, and each can be revoked', async () => {
    const site = await create('site', ...place)
    expect(site).toMatchObject({ secret: arn, created: true })
    const shop = await create('shop', ...place)
    expect(shop).toMatchObject({ secret: arn, created: false })
    expect(text()).toBe(`${site.line}\n${shop.line}`)
    // By its ARN as well, which names the region.
    const byArn = place.length === 0 ? ['--secret', arn] : ['--parameter', arn]
    expect(await keys('list', ...byArn)).toMatchObject({
      code: 0,
      stdout: 'NAME  SCOPES\nsite  infer\nshop  infer\n',
    })
    expect((await keys('revoke', 'site', ...byArn)).stdout).toContain(`revoked site in ${arn}`)
    expect(text()).toBe(shop.line)
    expect((await keys('revoke', 'shop', ...place)).code).toBe(0)
    expect(text()).toBe('# no keys')
    const again = await create('again', ...place)
    expect(text()).toBe(again.line)
  })

  it('no key is lost where several are made at once', async () => {
    await create('first', ...place)
    const names = Array.from({ length: 5 }, (_, i) => `key-${i}`)
    const made = await Promise.all(names.map((name) => create(name, ...place)))
    const lines = text()?.split('\n') ?? []
    expect(lines).toHaveLength(6)
    expect(lines).toEqual(expect.arrayContaining(made.map(({ line }) => line)))
  })

  it('nor where two make the secret at once', async () => {
    const made = await Promise.all(['a', 'b'].map((name) => create(name, ...place)))
    expect(made.filter(({ created }) => created)).toHaveLength(1)
    expect(text()?.split('\n').sort()).toEqual(made.map(({ line }) => line).sort())
  })

  it('a key that is revoked beside another change stays revoked', async () => {
    await create('old', ...place)
    const [shop, revoked] = await Promise.all([
      create('shop', ...place),
      keys('revoke', 'old', ...place),
    ])
    expect(revoked.code).toBe(0)
    expect(text()).toBe(shop.line)
  })

  it('every lost answer is survived', async () => {
    const lost = new Set<string>()
    aws.fault = ({ name }) => {
      if (lost.has(name)) return null
      lost.add(name)
      return 'lose'
    }
    const first = await create('first', ...place)
    lost.clear()
    const second = await create('second', ...place)
    expect(text()).toBe(`${first.line}\n${second.line}`)
  })

  it('a name is there once, and what is no key is not added to', async () => {
    await create('site', ...place)
    const twice = await keys('create', '--name', 'site', ...place)
    expect(twice).toMatchObject({ code: 2, stdout: '' })
    expect(twice.stderr).toContain('there is a key "site" already')
    const unknown = await keys('revoke', 'sit', ...place)
    expect(unknown).toMatchObject({ code: 2 })
    expect(unknown.stderr).toContain('there is no key "sit"; did you mean site?')
  })

  it('list and revoke say how to make it where it is not there', async () => {
    for (const argv of [['list'], ['revoke', 'site']]) {
      const { code, stderr } = await keys(...argv, ...place)
      expect(code).toBe(2)
      expect(stderr).toContain('"espalier aws keys create" makes it')
    }
  })
})

it('prints the key once, the ARN, and how to use it', async () => {
  const { code, stdout } = await keys('create', '--name', 'site', '--scope', 'infer,admin')
  expect(code).toBe(0)
  const printed = stdout.match(/espalier_[A-Za-z0-9_-]{43}/g)
  expect(printed).toHaveLength(1)
  expect(aws.current(NAME)).toBe(`site:infer+admin:${hashKey(printed?.[0] ?? '').toString('hex')}`)
  expect(stdout).toContain(`made the secret ${SECRET}`)
  expect(stdout).toContain('curl -s "$URL"/v1/embeddings -H "authorization: Bearer $KEY"')
  expect(stdout).toContain("new OpenAI({ baseURL: process.env.URL + '/v1'")
  // AWS gets the hash alone.
  expect(JSON.stringify(aws.calls)).not.toContain(printed?.[0])
})

it('keeps comments, and takes entries with commas apart', async () => {
  await create('first')
  const secret = aws.secrets.get(NAME)
  const version = secret?.stages.get('AWSCURRENT') ?? ''
  secret?.texts.set(version, `# callers, by team\na:infer:${HASH},b:admin:${'b'.repeat(64)}`)
  const { line } = await create('c')
  await keys('revoke', 'a')
  expect(aws.current(NAME)).toBe(`# callers, by team\nb:admin:${'b'.repeat(64)}\n${line}`)
})

it('adds nothing to a text that servers would refuse, and repeats nothing of it; revoking works', async () => {
  const site = await create('site')
  const secret = aws.secrets.get(NAME)
  secret?.texts.set(secret.stages.get('AWSCURRENT') ?? '', `espalier_pasted\n${site.line}`)
  const failed = await keys('create', '--name', 'shop')
  expect(failed.code).toBe(2)
  expect(failed.stderr).toContain('entry 1')
  expect(failed.stderr).not.toContain('pasted')
  expect((await keys('revoke', 'site')).code).toBe(0)
  expect(aws.current(NAME)).toBe('espalier_pasted')
})

it('fills a secret that was made without a value', async () => {
  const empty = { arn: SECRET, texts: new Map(), stages: new Map(), deleted: false }
  aws.secrets.set(NAME, empty)
  const { line, created } = await create('site')
  expect(created).toBe(false)
  expect(aws.current(NAME)).toBe(line)
})

it('says that a parameter is full', async () => {
  const lines = Array.from(
    { length: 52 },
    (_, i) => `key-${i}:infer:${i.toString(16).padStart(64, '0')}`,
  )
  aws.parameters.set('/espalier/keys', [lines.join('\n')])
  const { code, stderr } = await keys('create', '--name', 'site', '--parameter', '/espalier/keys')
  expect(code).toBe(2)
  expect(stderr).toContain('is full: 4096 bytes; keep the keys in a secret')
})

describe('a failure of AWS', () => {
  const deny = (action: string) => (call: AwsCall) =>
    call.name.endsWith(`.${action}`) ? denied(call) : null
  const region = 'arn:aws:secretsmanager:eu-central-1:*:secret:espalier/keys-*'

  it.each([
    ['GetSecretValue', `secretsmanager:GetSecretValue on ${region}`],
    ['CreateSecret', `secretsmanager:CreateSecret on ${region}`],
    ['PutSecretValue', `secretsmanager:PutSecretValue on ${region}`],
    ['UpdateSecretVersionStage', `secretsmanager:UpdateSecretVersionStage on ${region}`],
  ])('names the right where %s is denied', async (action, right) => {
    if (action !== 'CreateSecret') await create('first')
    aws.fault = deny(action)
    const { code, stdout, stderr } = await keys('create', '--name', 'site')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`access denied; allow ${right}`)
  })

  it.each([
    ['GetParameter', 'ssm:GetParameter'],
    ['PutParameter', 'ssm:PutParameter'],
  ])('names the right where %s is denied', async (action, right) => {
    aws.fault = deny(action)
    const { code, stderr } = await keys('create', '--name', 'a', '--parameter', '/espalier/keys')
    expect(code).toBe(1)
    expect(stderr).toContain(`allow ${right} on arn:aws:ssm:eu-central-1:*:parameter/espalier/keys`)
  })

  it.each([
    [refusal('UnrecognizedClientException', 'The token is invalid.'), 2, 'AWS_PROFILE'],
    [refusal('ExpiredTokenException', 'expired'), 2, 'aws sso login'],
    [refusal('ThrottlingException', 'Rate exceeded'), 75, 'slow down'],
    [refusal('InternalServiceError', 'out of order', 500), 75, 'out of order'],
    [refusal('DecryptionFailure', 'no key'), 1, 'kms:Decrypt'],
  ])('is told with what to do: %o', async (answer, code, text) => {
    aws.fault = () => answer
    const run = await keys('list')
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) })
  })

  it('is told where there is no region', async () => {
    vi.stubEnv('AWS_REGION', undefined)
    vi.stubEnv('AWS_DEFAULT_REGION', undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/no/such/file')
    const { code, stderr } = await keys('list')
    expect(code).toBe(2)
    expect(stderr).toContain('set AWS_REGION')
    await create('site', '--region', 'eu-west-1')
  })
})

it.each([
  [['create'], '--name'],
  [['create', '--name', 'a:b'], '63 characters'],
  [['create', '--name', 'a', '--scope', 'root'], 'infer, train, admin'],
  [['list', '--secret', 'a', '--parameter', 'b'], 'cannot be used with'],
  [['list', '--secret', PARAMETER], 'is not the ARN of a secret of Secrets Manager'],
  [['list', '--parameter', SECRET], 'is not the ARN of a parameter of SSM'],
  [['list', '--secret', 'arn:aws:s3:::bucket'], 'is not the ARN of a secret'],
])('refuses %j', async (argv, reason) => {
  const { code, stderr } = await keys(...argv)
  expect(code).toBe(2)
  expect(stderr).toContain(reason)
  expect(aws.calls).toEqual([])
})

describe('with a deployment file', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-deployment-'))
    file = join(folder, 'espalier.deploy.json')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const write = (content: object) => writeFile(file, JSON.stringify(content, null, 2))
  const read = async () => JSON.parse(await readFile(file, 'utf8'))
  const arnOf = (name: string) =>
    `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`

  it('the first key names the secret after the deployment, and writes it into the file', async () => {
    await write({ name: 'Search', region: 'eu-west-1', cpu: { memory: 3008 } })
    const { code, stdout } = await keys('create', '--name', 'site', '--file', file)
    expect(code).toBe(0)
    expect(stdout).toContain(`${file} now has cpu.keys`)
    expect(await read()).toEqual({
      name: 'Search',
      region: 'eu-west-1',
      cpu: { memory: 3008, keys: arnOf('search/keys') },
    })
    // From now on the file says where the keys are.
    expect((await create('shop', '--file', file)).secret).toBe(arnOf('search/keys'))
    expect((await keys('list', '--file', file)).stdout).toContain('shop')
    expect((await keys('revoke', 'site', '--file', file)).code).toBe(0)
    expect(aws.current('search/keys')).toContain('shop:infer:')
    expect(aws.current('search/keys')).not.toContain('site')
  })

  it('every environment has keys of its own, and every endpoint the same', async () => {
    await write({
      region: 'eu-central-1',
      stacks: ['store', 'cpu', 'gpu'],
      environments: { staging: { name: 'Staging' }, production: {} },
    })
    await create('site', '--file', file, '--environment', 'staging')
    const { environments } = await read()
    expect(environments).toEqual({
      staging: {
        name: 'Staging',
        cpu: { keys: arnOf('staging/keys') },
        gpu: { keys: arnOf('staging/keys') },
      },
      production: {},
    })
    const unsaid = await keys('create', '--name', 'site', '--file', file)
    expect(unsaid).toMatchObject({ code: 2, stdout: '' })
    expect(unsaid.stderr).toMatch(/staging.*production|production.*staging/)
  })

  it.each([
    [{ cpu: { iam: true } }, 'has cpu.iam'],
    [{ cpu: { jwt: { issuer: 'https://i.example', audience: ['a'] } } }, 'has cpu.jwt.issuer'],
    [{ cpu: { keys: arnOf('other/keys') } }, 'keeps cpu.keys'],
  ])('%j is not changed by a key: the command says what to do', async (content, reason) => {
    await write(content)
    const argv = ['create', '--name', 'site', '--file', file, '--secret', 'mine/keys']
    const { code, stdout } = await keys(...argv)
    expect(code).toBe(0)
    expect(stdout).toContain(reason)
    expect(await read()).toEqual(content)
    expect(aws.current('mine/keys')).toContain('site:infer:')
  })

  it('that is wrong, no key is made', async () => {
    await write({ cpu: { memory: 'much' } })
    const { code, stderr } = await keys('create', '--name', 'site', '--file', file)
    expect(code).toBe(2)
    expect(stderr).toContain('cpu.memory')
    expect(aws.calls).toEqual([])
  })
})
