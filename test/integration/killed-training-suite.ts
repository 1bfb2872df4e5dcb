import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../shared/registry/stores/directory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { bundledCli } from '../cli-bundle.ts'
import { finish } from './finish-process.ts'

/** Trainings that are killed once they have written so many files. */
export function describeKilledTraining(points: readonly number[]): void {
  const bundle = bundledCli()
  const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-killed-training-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  function start(argv: readonly string[], registry: string) {
    const env = {
      PATH: process.env.PATH,
      ESPALIER_CACHE: join(folder, 'cache'),
      ESPALIER_ENCODER: checkpoint,
      ESPALIER_PRECISION: 'float32',
      ESPALIER_REGISTRY: `file:${registry}`,
      ESPALIER_WORKERS: '1',
      ESPALIER_LOG_LEVEL: 'error',
    }
    return spawn(process.execPath, [bundle.script, ...argv], { env })
  }

  describe('kill -9 while training', () => {
    const intents = fileURLToPath(new URL('../../infra/examples/intents.csv', import.meta.url))

    it.each(points)('with %i files written leaves whole versions or none', async (files) => {
      const registry = join(folder, `killed-${files}`)
      const train = ['train', intents, '--name', 'assistant', '--promote', '-q']
      const child = start(train, registry)
      const ended = finish(child)
      while (child.exitCode === null && (await countFiles(registry)) < files) await turn()
      child.kill('SIGKILL')
      await ended

      const left = openRegistry(openDirectoryStore(registry))
      const found = (await left.listModels()).length > 0 ? await left.listVersions('assistant') : []
      for (const number of found) await readWhole(left, number)
      const again = await finish(start(train, registry))
      expect([again.code, again.stderr]).toEqual([0, ''])
      expect(await left.listVersions('assistant')).toEqual([...found, found.length + 1])
      await readWhole(left, found.length + 1)
    })

    async function readWhole(registry: Registry, number: number): Promise<void> {
      const version = await registry.getVersion('assistant', number)
      for (const { path, bytes } of version.files) {
        await registry.readFile(version, path, { maxBytes: bytes })
      }
    }

    async function countFiles(path: string): Promise<number> {
      const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
      return entries.filter((entry) => entry.isFile()).length
    }
  })
}
