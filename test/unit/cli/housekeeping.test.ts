import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { createFakeBoot } from '../../fakes/fake-boot.ts'
import { createTestHead, publishHead, spoilHead } from '../../fakes/heads.ts'
import { runCommand } from './run.ts'

let scratch: string
let root: string
let registry: Registry
let number = 0
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'espalier-housekeeping-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))
beforeEach(async () => {
  root = join(scratch, `registry-${number++}`)
  registry = openRegistry(openDirectoryStore(root))
  for (const prefix of ['a', 'b', 'c']) {
    await publishHead(registry, 'intent', createTestHead(prefix), { alias: null })
  }
  await publishHead(registry, 'topic', createTestHead('t'))
  await registry.promote('intent', 2)
})

const run = (...argv: string[]) => {
  const boot = createFakeBoot({ registry, cacheFolder: join(scratch, 'cache') })
  return runCommand(argv, { boot })
}
const blobsFolder = () => join(root, 'blobs/sha256')
const blobPath = async (name: string, version: number) => {
  const { files } = await registry.getVersion(name, version)
  return join(blobsFolder(), files[0]!.sha256)
}

describe('gc', () => {
  it('removes old files that no version names, after telling what it would', async () => {
    await run('delete', 'intent@v3', '--yes')
    const old = new Date(Date.now() - 40 * 86_400_000)
    for (const name of await readdir(blobsFolder()))
      await utimes(join(blobsFolder(), name), old, old)
    const half = join(blobsFolder(), '0'.repeat(64))
    await writeFile(half, 'half a publication')
    const planned = await run('gc', '--dry-run')
    expect(planned).toMatchObject({ code: 0, stderr: '' })
    expect(planned.stdout).toMatch(
      /^1 file \([\d.]+ B\) would be removed of 5 files \([\d.]+ (?:B|KB)\): 3 files \([\d.]+ KB\) in use, 1 file \(18 B\) too young\n$/,
    )
    expect(await readdir(blobsFolder())).toHaveLength(5)
    const { stdout } = await run('gc', '--older-than', '30d')
    expect(stdout).toBe(planned.stdout.replace('would be removed', 'removed'))
    expect(await readdir(blobsFolder())).toHaveLength(4)
    expect(JSON.parse((await run('gc', '--json')).stdout)).toMatchObject({
      dryRun: false,
      found: { blobs: 4 },
      garbage: { blobs: 0, hashes: [] },
    })
    expect((await run('verify')).code).toBe(0)
  })

  it.each([
    [['--older-than', '1h'], 1, '2 hours or more'],
    [['--older-than', '30'], 2, 'a number with s, m, h or d'],
    [['--older-than', '-1d'], 2, '--older-than'],
  ])('%j is refused', async (argv, code, message) => {
    expect(await run('gc', ...argv)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
  })

  it('removes nothing beside a manifest of a newer schema, which it names by number', async () => {
    await writeFile(join(root, 'models/topic/versions/2.json'), '{"schema":9}')
    const { code, stdout } = await run('gc')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^0 files .* removed/)
    expect(stdout).toMatch(/topic is broken: .*2\.json .* has schema 9; .* reads up to 1: upgrade/)
  })
})

describe('verify', () => {
  it('is quiet about what is well', async () => {
    expect(await run('verify')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /^2 models, 4 versions, 4 files \([\d.]+ (?:B|KB)\): all is well\n$/,
      ),
    })
    expect((await run('verify', 'topic')).stdout).toMatch(/^1 model, 1 version, 1 file/)
  })

  it('reports all damage and fails', async () => {
    await writeFile(await blobPath('intent', 1), 'cut')
    await rm(await blobPath('intent', 3))
    await rm(join(root, 'models/intent/versions/2.json'))
    const { code, stdout, stderr } = await run('verify')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^head\.bin of intent@v1: .* has 3 bytes, not \d+\nhead\.bin of intent@v3: .* is missing\nintent@champion: it means v2, which does not exist\n2 models, 3 versions, .*: damaged in 3 places\n$/,
    )
    expect(stderr).toBe(`espalier: file:${root} is damaged in 3 places\n`)
    const json = JSON.parse((await run('verify', '--json')).stdout)
    expect(json.damages).toHaveLength(3)
    expect((await run('verify', 'topic')).code).toBe(0)
  })

  it('reports a head that is whole and cannot be loaded', async () => {
    const head = createTestHead('odd')
    await publishHead(registry, 'odd', head, { alias: null, bytes: spoilHead(head) })
    const { code, stdout } = await run('verify')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^head\.bin of odd@v1: head file: block weights holds the number Infinity\n3 models, .*: damaged in 1 place\n$/,
    )
    expect((await run('verify', 'intent')).code).toBe(0)
  })

  it('names a model that does not exist', async () => {
    expect(await run('verify', 'nothing')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('no model "nothing"'),
    })
    expect((await run('verify', 'intent@v1')).code).toBe(2)
  })
})

describe('pull and push', () => {
  let url: string
  let other: Registry
  beforeEach(() => {
    const path = join(scratch, `other-${number}`)
    url = `file:${path}`
    other = openRegistry(openDirectoryStore(path))
  })

  it('copy what a name means, once', async () => {
    expect(await run('push', 'intent', '--to', url, '-q')).toEqual({
      code: 0,
      stdout: `intent@v2 → intent@v1\n1 version copied to ${url}\n`,
      stderr: '',
    })
    expect((await run('push', 'intent@champion', '--to', url)).stdout).toBe(
      `intent@v2 → intent@v1 (there already)\n0 versions copied to ${url}\n`,
    )
    expect((await run('push', 'intent@v3', '--to', url)).stdout).toContain('intent@v3 → intent@v2')
    expect((await run('pull', 'intent@v2', '--from', url)).stdout).toContain(
      'intent@v2 → intent@v3 (there already)',
    )
    expect(await registry.listVersions('intent')).toEqual([1, 2, 3])
    expect((await other.verify()).damages).toEqual([])
    expect(await readdir(join(scratch, 'cache/transfers'))).toEqual([])
  })

  it('copy everything, with numbers and aliases where that is asked for', async () => {
    await registry.deleteVersion('intent', 1)
    const all = ['push', '--all', '--to', url, '--keep-versions', '--aliases', '--by', 'ann']
    expect((await run(...all)).stdout.split('\n')).toEqual([
      'intent@v2 → intent@v2',
      'intent@v3 → intent@v3',
      'topic@v1 → topic@v1',
      'intent@champion: none → v2',
      'topic@champion: none → v1',
      `3 versions copied to ${url}`,
      '',
    ])
    expect(await other.readState('intent')).toMatchObject({
      state: {
        aliases: { champion: 2 },
        history: [{ by: 'ann', reason: expect.stringContaining('copied from intent@v2 of file:') }],
      },
    })
    await registry.promote('intent', 3)
    const { stdout } = await run(...all, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      versions: [{ name: 'intent', from: 2, to: 2, status: 'present' }, {}, {}],
      aliases: [{ name: 'intent', alias: 'champion', from: 2, to: 3 }],
    })
    await other.promote('intent', 2)
    await other.deleteVersion('intent', 3, { graceMs: 0 })
    expect((await run('push', 'intent', '--all', '--to', url, '--aliases')).stdout).toBe(
      'intent@v2 → intent@v2 (there already)\n' +
        'intent@v3 → intent@v3 (deleted there, so it is not brought back)\n' +
        `0 versions copied to ${url}\n`,
    )
  })

  it('copy between two registries, neither of which is the configured one', async () => {
    const third = `file:${join(scratch, `third-${number}`)}`
    await run('push', 'topic', '--to', url)
    expect((await run('pull', '--all', '--from', url, '--to', third)).stdout).toBe(
      `topic@v1 → topic@v1\n1 version copied to ${third}\n`,
    )
  })

  it('stop where a number that is to be kept is taken', async () => {
    await publishHead(other, 'intent', createTestHead('x'))
    await publishHead(other, 'intent', createTestHead('y'))
    expect(await run('push', 'intent', '--to', url, '--keep-versions')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `espalier: intent@v2 is another version in ${url}\n`,
    })
    expect(await other.listVersions('intent')).toEqual([1, 2])
  })

  it.each([
    [['pull', 'intent'], 2, '--from is missing'],
    [['push', 'intent'], 2, '--to is missing'],
    [['push', '--to', 'URL'], 2, 'name a model to push, or pass --all'],
    [['push', 'nothing', '--to', 'URL'], 1, 'no model "nothing"'],
    [['push', 'nothing', '--all', '--to', 'URL'], 1, 'no model "nothing"'],
    [['push', 'intent@v2', '--all', '--to', 'URL'], 2, 'for all versions write intent'],
    [['push', 'intent', '--to', 'ftp://x'], 2, 'ftp://x'],
    [['pull', 'intent', '--from', 'URL', '--to', 'URL'], 2, '--from and --to are the same'],
    [['push', 'intent', '--to', 'URL', '--reason', 'x'], 2, 'they need --aliases'],
  ])('%j is refused', async (argv, code, message) => {
    const given = argv.map((part) => (part === 'URL' ? url : part))
    expect(await run(...given)).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
    expect(await other.listModels()).toEqual([])
  })
})
