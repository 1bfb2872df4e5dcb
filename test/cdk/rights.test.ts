import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type Decision, type SimulatedRequest, simulateAccount } from './simulated-account.ts'
import { EVERYTHING, synthesize } from './synthesize.ts'

const OPERATOR = 'arn:aws:iam::123456789012:role/operator'
const KEYS = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:espalier/keys-AbCdEf'
const KEYS_KMS = 'arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555'

const synthesis = synthesize({
  ...EVERYTHING,
  'cpu.iam': 'false',
  'cpu.keys': KEYS,
  'gpu.keys': KEYS,
  'keys.kms': KEYS_KMS,
  'store.removers': OPERATOR,
})
const account = simulateAccount(synthesis)
const models = account.bucketOf('EspalierModelStore', 'ModelsBucket')
const ROLES = {
  cpu: account.roleOf('EspalierCpuApi', 'CpuApiServiceRole'),
  gpu: account.roleOf('EspalierGpuApi', 'GpuApiServiceTaskTaskRole'),
  train: account.roleOf('EspalierTrain', 'JobsRole'),
  bulk: account.roleOf('EspalierBulk', 'JobsRole'),
}
const DATA = {
  train: account.bucketOf('EspalierTrain', 'JobsDataBucket'),
  bulk: account.bucketOf('EspalierBulk', 'JobsDataBucket'),
}
const HASH = 'a'.repeat(64)
const BLOB = `${models}/registry/blobs/sha256/${HASH}`
const VERSION = `${models}/registry/models/intent/versions/7.json`
const STATE = `${models}/registry/models/intent/state.json`
const INDEX = `${models}/registry/index.json`
const READ = [BLOB, VERSION, STATE, INDEX]
/** What makes an object, as against the beginning and the parts of an upload. */
const CREATES = { 's3:ObjectCreationOperation': 'true' }
const NEW = { ...CREATES, 's3:if-none-match': '*' }
const SAME = { ...CREATES, 's3:if-match': '"tag"' }

type Asked = Omit<SimulatedRequest, 'principal'>
const get = (resource: string): Asked => ({ action: 's3:GetObject', resource })
const put = (resource: string, keys: SimulatedRequest['keys'] = CREATES): Asked => ({
  action: 's3:PutObject',
  resource,
  keys,
})
const remove = (resource: string): Asked => ({ action: 's3:DeleteObject', resource })
const list = (resource: string): Asked => ({ action: 's3:ListBucket', resource })

async function expectDecision(principal: string, asked: Asked, wanted: Decision): Promise<void> {
  const decision = await account.decide({ principal, ...asked })
  expect({ ...asked, decision }).toEqual({ ...asked, decision: wanted })
}

describe.each([
  ['the endpoint on Lambda', ROLES.cpu],
  ['the task on a GPU', ROLES.gpu],
])('%s', (_name, role) => {
  it.each(READ)('may read %s', async (resource) => {
    await expectDecision(role, get(resource), 'Allowed')
    await expectDecision(role, list(models), 'Allowed')
  })

  it.each([
    `${models}/other/models/intent/state.json`,
    `${models}/registry2/blobs/sha256/${HASH}`,
    `${DATA.train}/rows.csv`,
    'arn:aws:s3:::somebody-elses/registry/index.json',
  ])('may not read %s', (resource) => expectDecision(role, get(resource), 'ImplicitlyDenied'))

  it('may list no other bucket', async () => {
    await expectDecision(role, list(DATA.train), 'ImplicitlyDenied')
    await expectDecision(role, list('arn:aws:s3:::somebody-elses'), 'ImplicitlyDenied')
  })

  it.each(READ)('may neither write nor delete %s', async (resource) => {
    await expectDecision(role, put(resource, NEW), 'ImplicitlyDenied')
    await expectDecision(role, remove(resource), 'ImplicitlyDenied')
  })

  it('reads nothing without TLS', async () => {
    const decision = await account.decide({ principal: role, ...get(INDEX), tls: false })
    expect(decision).toBe('ExplicitlyDenied')
  })
})

describe.each([
  ['the endpoint on Lambda', ROLES.cpu],
  ['the task on a GPU', ROLES.gpu],
])('%s', (_name, role) => {
  it('may read the secret of its keys, and no other, and write none', async () => {
    const action = 'secretsmanager:GetSecretValue'
    await expectDecision(role, { action, resource: KEYS }, 'Allowed')
    const other = KEYS.replace('keys-AbCdEf', 'other-AbCdEf')
    await expectDecision(role, { action, resource: other }, 'ImplicitlyDenied')
    for (const write of ['PutSecretValue', 'UpdateSecretVersionStage', 'DeleteSecret']) {
      const asked = { action: `secretsmanager:${write}`, resource: KEYS }
      await expectDecision(role, asked, 'ImplicitlyDenied')
    }
    const parameter = 'arn:aws:ssm:eu-west-1:123456789012:parameter/espalier/keys'
    await expectDecision(
      role,
      { action: 'ssm:GetParameter', resource: parameter },
      'ImplicitlyDenied',
    )
  })

  it('may decrypt by the key of its keys through Secrets Manager alone', async () => {
    const decrypt = (service: string, resource = KEYS_KMS): Asked => ({
      action: 'kms:Decrypt',
      resource,
      keys: { 'kms:ViaService': `${service}.eu-west-1.amazonaws.com` },
    })
    await expectDecision(role, decrypt('secretsmanager'), 'Allowed')
    await expectDecision(role, decrypt('s3'), 'ImplicitlyDenied')
    const other = KEYS_KMS.replace('1111', '2222')
    await expectDecision(role, decrypt('secretsmanager', other), 'ImplicitlyDenied')
  })
})

describe('jobs that are held to a prefix', () => {
  const held = simulateAccount(
    synthesize({ ...EVERYTHING, stacks: 'store,train,bulk', 'data.prefix': 'rows/' }),
  )

  it.each([
    ['EspalierTrain', get],
    ['EspalierBulk', get],
    ['EspalierBulk', put],
  ] as const)('%s reaches nothing beside it', async (stack, ask) => {
    const principal = held.roleOf(stack, 'JobsRole')
    const bucket = held.bucketOf(stack, 'JobsDataBucket')
    const decide = (key: string) => held.decide({ principal, ...ask(`${bucket}/${key}`) })
    expect(await decide('rows/tickets.csv')).toBe('Allowed')
    expect(await decide('other/tickets.csv')).toBe('ImplicitlyDenied')
    expect(await decide('rows-of-others/tickets.csv')).toBe('ImplicitlyDenied')
  })
})

describe('a job that trains', () => {
  const role = ROLES.train

  it('reads its rows, and writes none', async () => {
    const rows = `${DATA.train}/train/rows.csv`
    await expectDecision(role, get(rows), 'Allowed')
    await expectDecision(role, put(rows), 'ImplicitlyDenied')
    await expectDecision(role, remove(rows), 'ImplicitlyDenied')
    await expectDecision(role, get(`${DATA.bulk}/rows.csv`), 'ImplicitlyDenied')
    await expectDecision(role, get('arn:aws:s3:::somebody-elses/rows.csv'), 'ImplicitlyDenied')
  })

  it('publishes: a blob and a version that are new, state and index as they are', async () => {
    await expectDecision(role, put(BLOB, NEW), 'Allowed')
    // A blob that is old is put again, so that it counts as young.
    await expectDecision(role, put(BLOB, SAME), 'Allowed')
    await expectDecision(role, put(BLOB, { 's3:ObjectCreationOperation': 'false' }), 'Allowed')
    await expectDecision(role, put(VERSION, NEW), 'Allowed')
    await expectDecision(role, put(STATE, SAME), 'Allowed')
    await expectDecision(role, put(INDEX), 'Allowed')
  })

  it('overwrites no version, and no blob without a condition', async () => {
    await expectDecision(role, put(VERSION), 'ExplicitlyDenied')
    await expectDecision(role, put(VERSION, SAME), 'ExplicitlyDenied')
    await expectDecision(role, put(BLOB), 'ExplicitlyDenied')
  })

  it.each([
    `${models}/other/models/intent/versions/1.json`,
    `${models}/index.json`,
    `${models}/registry2/index.json`,
    'arn:aws:s3:::somebody-elses/registry/index.json',
  ])('writes nothing to %s', (resource) =>
    expectDecision(role, put(resource, NEW), 'ImplicitlyDenied'),
  )

  it('deletes nothing but records of its sweeps, and changes no policy', async () => {
    for (const resource of READ) await expectDecision(role, remove(resource), 'ImplicitlyDenied')
    await expectDecision(role, remove(`${models}/registry/sweeps/1.json`), 'Allowed')
    for (const action of [
      's3:PutBucketPolicy',
      's3:DeleteBucket',
      's3:PutLifecycleConfiguration',
    ]) {
      await expectDecision(role, { action, resource: models }, 'ImplicitlyDenied')
    }
  })

  it('reads no keys of callers', () =>
    expectDecision(
      role,
      { action: 'secretsmanager:GetSecretValue', resource: KEYS },
      'ImplicitlyDenied',
    ))
})

describe('a job of many files', () => {
  const role = ROLES.bulk

  it('reads and writes its own bucket, deletes nothing in it, and reaches no other', async () => {
    const file = `${DATA.bulk}/out/part-0.jsonl`
    await expectDecision(role, get(file), 'Allowed')
    await expectDecision(role, put(file, NEW), 'Allowed')
    await expectDecision(role, remove(file), 'ImplicitlyDenied')
    for (const resource of [`${DATA.train}/rows.csv`, 'arn:aws:s3:::somebody-elses/a']) {
      await expectDecision(role, get(resource), 'ImplicitlyDenied')
      await expectDecision(role, put(resource, NEW), 'ImplicitlyDenied')
    }
  })

  it('reads the registry and writes nothing to it', async () => {
    for (const resource of READ) {
      await expectDecision(role, get(resource), 'Allowed')
      await expectDecision(role, put(resource, NEW), 'ImplicitlyDenied')
    }
    await expectDecision(role, get(`${models}/other/index.json`), 'ImplicitlyDenied')
  })
})

describe('the bucket of models', () => {
  const decide = (principal: string, keys: SimulatedRequest['keys']) =>
    account.decide({ principal, ...put(VERSION, keys) })

  it('lets the removers alone put a tombstone in the place of a version', async () => {
    // Nothing allows it here, but the bucket does not deny it either.
    expect(await decide(OPERATOR, SAME)).toBe('ImplicitlyDenied')
    expect(await decide(OPERATOR, CREATES)).toBe('ExplicitlyDenied')
    const other = OPERATOR.replace('operator', 'operator2')
    expect(await decide(other, SAME)).toBe('ExplicitlyDenied')
  })
})

describe('a role of another account that pushes, by the policies of the documentation', async () => {
  const GUEST = 'arn:aws:iam::111111111111:role/train'
  const page = await readFile(new URL('../../docs/registry.md', import.meta.url), 'utf8')
  const section = page.split('## From a development account to production')[1] ?? ''
  const [push, aliases] = [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json = '']) =>
    JSON.parse(json.replaceAll('arn:aws:s3:::production-models', models)),
  )
  const asGuest = (statements: readonly object[]) => ({
    policy: { Version: '2012-10-17', Statement: statements },
    bucketStatements: statements.map((each) => ({ ...each, Principal: { AWS: GUEST } })),
  })
  const pusher = asGuest(push.Statement)
  const promoter = asGuest([...push.Statement, aliases])
  const decide = (asked: Asked, guest: SimulatedRequest['guest']) =>
    account.decide({ principal: GUEST, ...asked, guest })

  const REQUEST = `${models}/registry/models/intent/requests/${HASH}.json`
  const SWEEP = `${models}/registry/sweeps/1.json`
  const needed: Asked[] = [
    list(models),
    ...[...READ, REQUEST, SWEEP].map(get),
    put(BLOB, NEW),
    put(BLOB, SAME),
    put(BLOB, { 's3:ObjectCreationOperation': 'false' }),
    { action: 's3:AbortMultipartUpload', resource: BLOB },
    put(VERSION, NEW),
    put(REQUEST, NEW),
    put(INDEX, NEW),
    put(INDEX, SAME),
    remove(SWEEP),
  ]

  it.each(needed)('may $action $resource', async (asked) => {
    expect(await decide(asked, pusher)).toBe('Allowed')
    // Both accounts have to allow it.
    expect(await decide(asked, { ...pusher, bucketStatements: [] })).toBe('ImplicitlyDenied')
    const nothing = { Version: '2012-10-17', Statement: [] }
    expect(await decide(asked, { ...pusher, policy: nothing })).not.toBe('Allowed')
  })

  it('moves names with the statement for them alone', async () => {
    for (const keys of [NEW, SAME]) {
      expect(await decide(put(STATE, keys), pusher)).toBe('ImplicitlyDenied')
      expect(await decide(put(STATE, keys), promoter)).toBe('Allowed')
    }
  })

  it('replaces and deletes no version, and reaches nothing else', async () => {
    for (const guest of [pusher, promoter]) {
      expect(await decide(put(VERSION, SAME), guest)).toBe('ExplicitlyDenied')
      expect(await decide(put(BLOB), guest)).toBe('ExplicitlyDenied')
      for (const resource of READ) {
        expect(await decide(remove(resource), guest)).toBe('ImplicitlyDenied')
      }
      for (const key of ['other/index.json', 'registry2/models/intent/state.json']) {
        expect(await decide(put(`${models}/${key}`, NEW), guest)).toBe('ImplicitlyDenied')
        expect(await decide(get(`${models}/${key}`), guest)).toBe('ImplicitlyDenied')
      }
      expect(await decide(put(SWEEP, NEW), guest)).toBe('ImplicitlyDenied')
    }
    const open = await account.decide({
      principal: GUEST,
      ...get(INDEX),
      guest: pusher,
      tls: false,
    })
    expect(open).toBe('ExplicitlyDenied')
  })
})

describe('the other roles', () => {
  it.each([
    ['EspalierGpuApi', 'GpuApiServiceTaskExecutionRole'],
    ['EspalierGpuApi', 'GpuApiCapacityProviderInstanceRole'],
    ['EspalierTrain', 'JobsTrainContainerExecutionRole'],
    ['EspalierTrain', 'JobsGpuInstanceRole'],
    ['EspalierBulk', 'JobsEmbedContainerExecutionRole'],
  ])('%s %s reaches no object', async (stack, logicalId) => {
    const role = account.roleOf(stack, logicalId)
    for (const asked of [...READ.map(get), put(STATE, SAME), get(`${DATA.train}/rows.csv`)]) {
      await expectDecision(role, asked, 'ImplicitlyDenied')
    }
  })
})
