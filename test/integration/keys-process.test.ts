import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { startFakeAws } from '../fakes/fake-aws.ts'
import { startedServer, startServer } from './server-process.ts'

const bundle = bundledCli()
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string
let env: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-keys-'))
  env = {
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_REGISTRY: 'memory:',
    ESPALIER_ENCODER: checkpoint,
    ESPALIER_PRECISION: 'float32',
    ESPALIER_LOG_LEVEL: 'debug',
  }
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function createKey(...argv: string[]) {
  const run = spawnSync(process.execPath, [bundle.script, 'keys', 'create', ...argv])
  return { code: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() }
}

describe('espalier keys create', () => {
  it('prints a key and the line that a server on all addresses lets it in by', async () => {
    const { stdout } = createKey('--name', 'website', '--scope', 'infer,train')
    const key = /^ {2}(espalier_[A-Za-z0-9_-]{43})$/m.exec(stdout)?.[1] ?? ''
    const line = /^ {2}(website:infer\+train:[0-9a-f]{64})$/m.exec(stdout)?.[1] ?? ''
    const file = join(folder, 'keys.txt')
    await writeFile(file, `# callers\n\n${line}\n`)
    const server = await startedServer(bundle.script, {
      ...env,
      HOST: '0.0.0.0',
      ESPALIER_API_KEYS_FILE: file,
    })
    const url = server.url.replace('0.0.0.0', '127.0.0.1')
    const ask = (headers: Record<string, string>) =>
      fetch(`${url}/embed`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"inputs":"a cat"}',
      })
    expect((await ask({})).status).toBe(401)
    expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200)
    expect((await ask({ 'x-api-key': `${key}x` })).status).toBe(401)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
    const log = JSON.stringify(server.logged())
    expect(log).toContain('"key":"website"')
    expect(log).not.toContain(key)
    expect(log).not.toContain(line.slice(-64))
  })

  it('gives another key each time, as JSON for scripts', () => {
    const made = [createKey('--json'), createKey('--json')].map(({ stdout }) => JSON.parse(stdout))
    expect(made[0]).toMatchObject({ name: 'default', scopes: ['infer'] })
    expect(made[0].key).not.toBe(made[1].key)
    expect(made[0].line).not.toContain(made[0].key)
  })

  it.each([
    [['--scope', 'infer,root'], 'infer, train, admin'],
    [['--name', 'a:b'], '63 characters'],
  ])('refuses %j', (argv, reason) => {
    const { code, stderr } = createKey(...argv)
    expect(code).toBe(2)
    expect(stderr).toContain(reason)
  })
})

describe('espalier aws keys create', () => {
  it('makes a key in AWS that a server on all addresses lets in', async () => {
    const aws = await startFakeAws()
    try {
      const argv = [bundle.script, 'aws', 'keys', 'create', '--name', 'website', '--json']
      // With nothing of this machine's own, so that no profile is taken.
      const { stdout } = await promisify(execFile)(process.execPath, argv, {
        cwd: folder,
        env: { PATH: process.env.PATH, ...aws.env },
      })
      const { key, secret } = JSON.parse(stdout) as { key: string; secret: string }
      const settings = { ...env, ...aws.env, HOST: '0.0.0.0', ESPALIER_API_KEYS_FROM: secret }
      const server = await startedServer(bundle.script, settings)
      const url = server.url.replace('0.0.0.0', '127.0.0.1')
      const ask = (given: string) =>
        fetch(`${url}/info`, { headers: { authorization: `Bearer ${given}` } })
      expect((await ask(key)).status).toBe(200)
      expect((await ask(`${key}x`)).status).toBe(401)
      // Ends although it looks for other keys again and again.
      expect(await server.stop()).toBe(0)
      const log = JSON.stringify(server.logged())
      expect(log).toContain('"key":"website"')
      expect(log).not.toContain(key)
      aws.secrets.clear()
      const ended = await startServer(bundle.script, settings)
      const reason = expect.stringContaining(`ESPALIER_API_KEYS_FROM cannot be read: there is no`)
      expect(ended).toMatchObject({ code: 2, stderr: reason })
    } finally {
      await aws.close()
    }
  })
})

describe('a server that strangers could reach', () => {
  it('does not start without keys, and says what to do', async () => {
    const ended = await startServer(bundle.script, { ...env, HOST: '0.0.0.0' })
    expect(ended).toMatchObject({ code: 2 })
    expect(ended).toHaveProperty('stderr', expect.stringContaining('ESPALIER_OPEN=1'))
    expect(ended).toHaveProperty('stderr', expect.stringContaining('espalier keys create'))
  })

  it.each([{ ESPALIER_OPEN: '1' }, { AWS_LAMBDA_FUNCTION_NAME: 'espalier' }])(
    'starts with %o',
    async (settings) => {
      const open = { ...env, ...settings, HOST: '0.0.0.0' }
      const server = await startedServer(bundle.script, open as Record<string, string>)
      expect(await server.stop()).toBe(0)
      const warned = server.logged().some(({ msg }) => String(msg).includes('no API keys'))
      expect(warned).toBe('ESPALIER_OPEN' in settings)
    },
  )

  it.each([
    [{ ESPALIER_API_KEYS: 'espalier_pasted-by-mistake' }, /ESPALIER_API_KEYS entry 1/],
    [{ ESPALIER_API_KEYS_FILE: '/no/such/file' }, /ESPALIER_API_KEYS_FILE cannot be read/],
  ])('does not start with %o', async (settings, reason) => {
    const ended = await startServer(bundle.script, { ...env, ...settings } as typeof env)
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(reason) })
    expect(ended).not.toHaveProperty('stderr', expect.stringContaining('pasted'))
  })
})
