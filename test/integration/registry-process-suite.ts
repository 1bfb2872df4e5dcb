import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeHead } from '../../shared/head/encode.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import { bundledCli } from '../cli-bundle.ts'
import { createTestHead, publishHead } from '../fakes/heads.ts'
import { finish } from './finish-process.ts'

/** After how many entries in the folder of the registry a command is killed, for each kind of command. */
export interface KillPoints {
  readonly publishing: readonly number[]
  readonly promoting: readonly number[]
  readonly pulling: readonly number[]
  readonly deleting: readonly number[]
}

/** The registry by commands as processes, some of them killed. */
export function describeRegistryProcess({
  publishing,
  promoting,
  pulling,
  deleting,
}: KillPoints): void {
  const bundle = bundledCli()
  const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-registry-process-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** The real command line in a process of its own, on a registry in a folder. */
  function start(registry: string, ...argv: string[]): ChildProcessWithoutNullStreams {
    const env = {
      PATH: process.env.PATH,
      ESPALIER_CACHE: join(folder, 'cache'),
      ESPALIER_REGISTRY: `file:${registry}`,
      ESPALIER_LOG_LEVEL: 'error',
    }
    return spawn(process.execPath, [bundle.script, ...argv], { env })
  }

  const run = (registry: string, ...argv: string[]) => finish(start(registry, ...argv))

  /** Kills a command once this many entries have appeared in the registry's folder since it began. */
  async function killAfter(entries: number, registry: string, ...argv: string[]): Promise<void> {
    const before = await countEntries(registry)
    const child = start(registry, ...argv)
    const ended = once(child, 'close')
    while (child.exitCode === null && (await countEntries(registry)) < before + entries)
      await turn()
    child.kill('SIGKILL')
    await ended
  }

  async function countEntries(path: string): Promise<number> {
    return (await readdir(path, { recursive: true }).catch(() => [])).length
  }

  const openFolder = (path: string) => openRegistry(openDirectoryStore(path))

  /** Everything is whole, as the command itself sees it. */
  async function expectWhole(registry: string): Promise<void> {
    const { code, stdout, stderr } = await run(registry, 'verify', '-q')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/: all is well\n$/)
  }

  async function headFolder(name: string, prefix: string): Promise<string> {
    const path = join(folder, name)
    await mkdir(path)
    await writeFile(join(path, 'head.bin'), encodeHead(createTestHead(prefix)))
    await writeFile(join(path, 'report.md'), `# ${prefix}\n`)
    return path
  }

  describe('the registry from the command line', () => {
    it('carries an encoder from export to another registry and back out of it', async () => {
      const registry = join(folder, 'first')
      const made = await run(
        registry,
        ...['export', checkpoint, '--output', join(folder, 'tiny'), '--name', 'tiny-bert'],
        ...['--publish', '--promote', '--by', 'ci', '-q'],
      )
      expect([made.code, made.stderr]).toEqual([0, ''])
      expect(made.stdout).toMatch(/tiny-bert@v1: encoder, .*\ntiny-bert@champion: none → v1\n$/)
      const list = JSON.parse((await run(registry, 'models', '--json')).stdout)
      const listed = list.find(({ name }: { name: string }) => name === 'tiny-bert')
      expect(listed).toMatchObject({ kind: 'embedding', source: 'registry', versions: [1] })
      const again = await run(registry, 'publish', join(folder, 'tiny'), '-q')
      expect(again.stdout).toMatch(/^tiny-bert@v2: encoder/)
      const second = join(folder, 'second')
      const to = ['--from', `file:${registry}`, '--aliases', '-q']
      expect((await run(second, 'pull', 'tiny-bert', ...to)).stdout).toMatch(
        /^tiny-bert@v1 → tiny-bert@v1\ntiny-bert@champion: none → v1\n/,
      )
      const version = await openFolder(second).getVersion('tiny-bert', 1)
      const { idempotencyHash, ...copy } = version
      expect(copy).toEqual(await openFolder(registry).getVersion('tiny-bert', 1))
      expect(copy.metadata).toMatchObject({ precisions: ['float32', 'int8'] })
      await expectWhole(second)
      expect((await run(second, 'gc', '--dry-run', '-q')).stdout).toMatch(/^0 files /)
    }, 60_000)

    it('gives two publishers that race two versions, both whole', async () => {
      const registry = join(folder, 'race')
      const heads = await Promise.all(['x', 'y'].map((name) => headFolder(`race-${name}`, name)))
      const runs = await Promise.all(
        heads.map((head) => run(registry, 'publish', head, '--name', 'intent', '--promote', '-q')),
      )
      expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual([
        [0, ''],
        [0, ''],
      ])
      const names = runs.map(({ stdout }) => stdout.split(':')[0]).sort()
      expect(names).toEqual(['intent@v1', 'intent@v2'])
      await expectWhole(registry)
    }, 60_000)
  })

  describe('kill -9', () => {
    it.each(publishing)(
      'while publishing, after %i entries',
      async (entries) => {
        const registry = join(folder, `publish-${entries}`)
        const head = await headFolder(`publish-head-${entries}`, 'k')
        const publish = [
          'publish',
          head,
          '--name',
          'intent',
          '--promote',
          '--idempotency-key',
          'job',
        ]
        await killAfter(entries, registry, ...publish, '-q')
        const left = openFolder(registry)
        const versions = await left.listVersions('intent')
        expect(versions.length).toBeLessThanOrEqual(1)
        if (versions.length === 0) await expect(left.resolve('intent')).rejects.toThrow('no model')
        await expectWhole(registry)
        const again = await run(registry, ...publish, '-q')
        expect([again.code, again.stderr]).toEqual([0, ''])
        expect(again.stdout).toMatch(/^intent@v1: /)
        expect(await left.listVersions('intent')).toEqual([1])
        expect((await left.resolve('intent')).version).toBe(1)
        await expectWhole(registry)
      },
      60_000,
    )

    it.each(promoting)(
      'while promoting, after %i entries',
      async (entries) => {
        const registry = join(folder, `promote-${entries}`)
        const left = openFolder(registry)
        await publishHead(left, 'intent', createTestHead('a'))
        await publishHead(left, 'intent', createTestHead('b'), { alias: null })
        await killAfter(entries, registry, 'promote', 'intent@v2')
        expect([1, 2]).toContain((await left.resolve('intent')).version)
        await expectWhole(registry)
        // The locks of the dead are in nobody's way.
        const again = await run(registry, 'promote', 'intent@v2')
        expect([again.code, again.stderr]).toEqual([0, ''])
        expect((await left.resolve('intent')).version).toBe(2)
      },
      60_000,
    )

    it.each(pulling)(
      'while pulling, after %i entries',
      async (entries) => {
        const source = join(folder, 'pull-source')
        if ((await countEntries(source)) === 0) {
          for (const prefix of ['a', 'b', 'c']) {
            await publishHead(openFolder(source), 'intent', createTestHead(prefix))
          }
        }
        const registry = join(folder, `pull-${entries}`)
        const pull = ['pull', '--all', '--from', `file:${source}`, '--aliases', '-q']
        await killAfter(entries, registry, ...pull)
        await expectWhole(registry)
        const again = await run(registry, ...pull)
        expect([again.code, again.stderr]).toEqual([0, ''])
        const left = openFolder(registry)
        expect(await left.listVersions('intent')).toEqual([1, 2, 3])
        expect((await left.resolve('intent')).version).toBe(3)
        const copied = await left.getVersion('intent', 3)
        const original = await openFolder(source).getVersion('intent', 3)
        expect(copied.publication).toBe(original.publication)
        await expectWhole(registry)
      },
      60_000,
    )

    it('while deleting and collecting, on a copy of a registry for each point', async () => {
      const whole = join(folder, 'delete-source')
      const left = openFolder(whole)
      for (const prefix of ['a', 'b']) await publishHead(left, 'intent', createTestHead(prefix))
      for (const entries of deleting) {
        const registry = join(folder, `delete-${entries}`)
        await cp(whole, registry, { recursive: true })
        const erase = ['delete', 'intent@v1', '--yes', '--grace', '0s']
        await killAfter(entries, registry, ...erase)
        const { stdout } = await run(registry, 'verify', '-q')
        // Whole, or a deletion that says how to finish it.
        expect(stdout).toMatch(
          /all is well|^intent@v1: its deletion was not finished; "espalier delete intent@v1"/,
        )
        await run(registry, ...erase)
        await expectWhole(registry)
        expect(await openFolder(registry).listVersions('intent')).toEqual([2])
      }
    }, 60_000)
  })
}
