import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApp } from '../../functions/api/app.ts'
import { createMetricsRegistry } from '../../functions/api/metrics/http.ts'
import { startServer } from '../../functions/api/server.ts'
import { createKey, describeKey, type KeyScope } from '../../shared/lib/api-keys.ts'
import { RestoreHooks } from '../../shared/lib/restore-hooks.ts'
import { createSnapshotHooks } from '../../shared/serving/snapshot-hooks.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { denied, type FakeAws, refusal, startFakeAws } from '../fakes/fake-aws.ts'
import { createFakeBoot } from '../fakes/fake-boot.ts'
import { openKeys } from '../fakes/open-keys.ts'
import { runCommand } from '../unit/cli/run.ts'

const SECRET = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:espalier/keys-AbCdEf'
const PARAMETER = 'arn:aws:ssm:eu-central-1:123456789012:parameter/espalier/keys'
const key = createKey()
const other = createKey()
const line = (name: string, of: string, scopes: readonly KeyScope[] = ['infer']) =>
  describeKey(name, scopes, of)

let aws: FakeAws
let deps: ApiTestDeps | undefined
let closeKeys: () => void = () => {}
let nowMs = 0
const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }

beforeEach(async () => {
  aws = await startFakeAws()
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value)
  nowMs = 1_000
})
afterEach(async () => {
  closeKeys()
  vi.unstubAllEnvs()
  await deps?.close()
  deps = undefined
  await aws.close()
})

/** Makes the text that the ARNs stand for, in both places. */
function store(...lines: string[]) {
  const secret = { arn: SECRET, texts: new Map(), stages: new Map(), deleted: false }
  secret.texts.set('v', lines.join('\n'))
  secret.stages.set('AWSCURRENT', 'v')
  aws.secrets.set('espalier/keys', secret)
  const entries = lines.filter((each) => !each.startsWith('#'))
  aws.parameters.set('/espalier/keys', [entries.join(',')])
}

/** A server with keys from the places given, on a clock that stands still. */
async function serve(env: Record<string, string> = { ESPALIER_API_KEYS_FROM: SECRET }) {
  const base = await createApiDeps({ env })
  const restoreHooks = new RestoreHooks()
  const keys = await openKeys(base.config, { clock, log: base.log, restoreHooks })
  closeKeys = () => keys?.close()
  const snapshot = createSnapshotHooks({
    restoreHooks,
    models: base.classifiers,
    keys,
    log: base.log,
  })
  deps = Object.assign(base, { keys, snapshot, metrics: createMetricsRegistry() })
  const app = createApp(deps)
  const ask = async (given = key) =>
    (await app.request('/info', { headers: { authorization: `Bearer ${given}` } })).status
  return { app, ask, keys, snapshot }
}

const logged = () => JSON.stringify(deps?.log.lines ?? [])

describe('keys from AWS', () => {
  it.each([SECRET, PARAMETER])('are read at the start from %s', async (from) => {
    store('# callers', line('site', key), '', line('ops', other, ['admin']))
    const { app, ask } = await serve({ ESPALIER_API_KEYS_FROM: from })
    expect(await ask()).toBe(200)
    expect(await ask(createKey())).toBe(401)
    const admin = { headers: { authorization: `Bearer ${other}` } }
    expect((await app.request('/metrics', admin)).status).toBe(200)
    expect(aws.calls).toHaveLength(1)
  })

  it.each([SECRET, PARAMETER])('are taken over within a minute from %s', async (from) => {
    store(line('site', key))
    const { ask } = await serve({ ESPALIER_API_KEYS_FROM: from })
    store(line('shop', other))
    // Not asked for every request.
    nowMs += 30_000
    expect(await ask()).toBe(200)
    expect(aws.calls).toHaveLength(1)
    nowMs += 29_999
    expect(await ask()).toBe(401)
    expect(await ask(other)).toBe(200)
    expect(aws.calls).toHaveLength(2)
    expect(deps?.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'info',
        message: 'API keys changed',
        fields: { added: ['shop'], removed: ['site'] },
      }),
    )
  })

  it('are read beside the requests where they come often enough', async () => {
    store(line('site', key))
    const { ask, keys } = await serve()
    nowMs += 45_000
    aws.fault = () => 'hang'
    expect(await ask()).toBe(200)
    aws.fault = null
    await vi.waitFor(() => expect(aws.calls.length).toBeGreaterThan(1))
    await keys?.refresh()
  })

  it('hold on where AWS fails, with one line and a count, until it answers again', async () => {
    store(line('site', key))
    const { app, ask } = await serve()
    store(line('shop', other))
    aws.fault = denied
    for (const step of [60_000, 1_000, 60_000]) {
      nowMs += step
      expect(await ask()).toBe(200)
      expect(await ask(other)).toBe(401)
    }
    const warned = deps?.log.lines.filter(({ level }) => level === 'warn')
    expect(warned).toHaveLength(1)
    expect(warned?.[0]?.fields).toMatchObject({
      setting: 'ESPALIER_API_KEYS_FROM',
      reason: expect.stringContaining(`allow secretsmanager:GetSecretValue on ${SECRET}`),
    })
    const text = await deps?.metrics?.metrics()
    expect(text).toMatch(/^espalier_api_keys_refresh_failures_total 2$/m)
    expect(text).toMatch(/^espalier_api_keys_age_seconds 121$/m)
    aws.fault = null
    nowMs += 10_000
    expect(await ask(other)).toBe(200)
    expect(await ask()).toBe(401)
    expect(logged()).toContain('can be read again')
    expect((await app.request('/readyz')).status).toBe(200)
  })

  it.each([
    ['an entry that is none', () => [line('site', key), 'espalier_pasted'], 'entry 2'],
    ['a name that is there twice', () => [line('a', key), line('a', other)], 'two of the name a'],
    ['more than 64 KiB', () => ['#'.repeat(65_537)], 'the limit is 64 KiB'],
  ])('stay as they are after %s, which is not repeated', async (_what, lines, reason) => {
    store(line('site', key))
    const { ask } = await serve()
    store(...lines())
    nowMs += 60_000
    expect(await ask()).toBe(200)
    expect(await ask(other)).toBe(401)
    expect(logged()).toContain(reason)
    expect(logged()).not.toContain('pasted')
  })

  it('may all be revoked: then nobody is let in', async () => {
    store(line('site', key))
    const { ask } = await serve()
    store('# no keys')
    nowMs += 60_000
    expect(await ask()).toBe(401)
  })

  it('are read anew after a restore from a snapshot, before the first request', async () => {
    store(line('site', key))
    const { ask, snapshot } = await serve()
    await snapshot.beforeSnapshot()
    store(line('shop', other))
    const calls = aws.calls.length
    await snapshot.afterRestore()
    expect(aws.calls.length).toBeGreaterThan(calls)
    expect(await ask()).toBe(401)
    expect(await ask(other)).toBe(200)
  })

  it('stand beside those of the environment and of a file, which is read anew as well', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-keys-'))
    try {
      const file = join(folder, 'keys.txt')
      await writeFile(file, line('file', other))
      store(line('site', key))
      const fixed = createKey()
      const { ask } = await serve({
        ESPALIER_API_KEYS: line('fixed', fixed),
        ESPALIER_API_KEYS_FILE: file,
        ESPALIER_API_KEYS_FROM: SECRET,
      })
      for (const each of [key, other, fixed]) expect(await ask(each)).toBe(200)
      await writeFile(file, line('file', createKey()))
      aws.fault = denied
      nowMs += 60_000
      // What one place says holds, whether the other one answers or not.
      expect(await ask(other)).toBe(401)
      for (const each of [key, fixed]) expect(await ask(each)).toBe(200)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('a server does not start', () => {
  it.each([
    ['without the secret', () => {}, `there is no ${SECRET}`],
    [
      'without the right to read it',
      () => {
        aws.fault = denied
      },
      `allow secretsmanager:GetSecretValue on ${SECRET}`,
    ],
    [
      'where AWS is away',
      () => {
        aws.fault = () => refusal('InternalServiceError', 'out of order', 500)
      },
      'out of order',
    ],
    [
      'with a secret that is scheduled for deletion',
      () => {
        store(line('site', key))
        for (const secret of aws.secrets.values()) secret.deleted = true
      },
      'scheduled for deletion',
    ],
    ['with an entry that is none', () => store('espalier_pasted'), 'entry 1'],
  ])('%s', async (_what, prepare, reason) => {
    prepare()
    const failure = await serve().catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'invalid_config',
      param: 'ESPALIER_API_KEYS_FROM',
      message: expect.stringContaining(reason),
    })
    expect(String(failure)).not.toContain('pasted')
  })

  it('with something that is no ARN, which is not repeated', async () => {
    const failure = await serve({ ESPALIER_API_KEYS_FROM: key }).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('the ARN of a secret of Secrets Manager'),
    })
    expect(String(failure)).not.toContain(key)
  })
})

describe('from the first key to its end', () => {
  const run = async (...argv: string[]) => {
    const { code, stdout } = await runCommand(['aws', 'keys', ...argv, '--json'], {
      boot: createFakeBoot(),
    })
    expect(code).toBe(0)
    return JSON.parse(stdout) as { key: string; secret: string }
  }

  it('the openai package works with a key that a command made, until it is revoked', async () => {
    const { key: made, secret } = await run('create', '--name', 'site')
    const base = await createApiDeps({ env: { ESPALIER_API_KEYS_FROM: secret } })
    deps = base
    const keys = await openKeys(base.config, { clock })
    closeKeys = () => keys?.close()
    const server = await startServer({ ...base, keys })
    const ask = (apiKey: string) =>
      new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 }).embeddings.create({
        model: 'fake-encoder',
        input: 'a cat',
      })
    try {
      expect((await ask(made)).data).toHaveLength(1)
      const { key: second } = await run('create', '--name', 'shop')
      await run('revoke', 'site')
      nowMs += 59_999
      await expect(ask(made)).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
      expect((await ask(second)).data).toHaveLength(1)
    } finally {
      await server.stop('test')
    }
  })
})

describe('a server with a timer', () => {
  it('reads keys anew without a request, and no more once it is closed', async () => {
    store(line('site', key))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { keys } = await serve({ ESPALIER_API_KEYS_FROM: SECRET, ESPALIER_FOLLOW: 'timer' })
      for (const calls of [2, 3]) {
        await vi.advanceTimersByTimeAsync(40_000)
        await untilCalls(calls)
        await keys?.refresh()
      }
      const timers = vi.getTimerCount()
      keys?.close()
      expect(vi.getTimerCount()).toBe(timers - 1)
    } finally {
      vi.useRealTimers()
    }
  })
})

/** Lets what is under way go on until the fake service was called so often. */
async function untilCalls(count: number): Promise<void> {
  while (aws.calls.length < count) await new Promise((resolve) => setImmediate(resolve))
}

it('/metrics says why it is off where it is', async () => {
  const env = { ESPALIER_METRICS: 'off', ESPALIER_API_KEYS: line('ops', key, ['admin']) }
  const { app } = await serve(env)
  const answer = await app.request('/metrics', { headers: { authorization: `Bearer ${key}` } })
  expect(answer.status).toBe(404)
  expect(await answer.text()).toContain('/metrics is off (ESPALIER_METRICS)')
  expect((await app.request('/metrics')).status).toBe(401)
})
