import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { bundledCli } from '../cli-bundle.ts'
import { killWorkers, writeShards } from './bulk-process.ts'

const bundle = bundledCli()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-bulk-long-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('espalier bulk with the built-in encoder', () => {
  it.each([1, 2, 3])(
    'ends with the same bytes however often it is killed, seed %i',
    async (seed) => {
      const at = (name: string): string => join(folder, `${seed}-${name}`)
      const input = await writeShards(at('in'), { files: 8, rows: 3_000 })
      const env = {
        PATH: process.env.PATH,
        ESPALIER_CACHE: join(folder, 'cache'),
        ESPALIER_REGISTRY: 'memory:',
        ESPALIER_LOG_LEVEL: 'error',
      }
      const start = (...argv: string[]) =>
        spawn(process.execPath, [bundle.script, ...argv], { env })
      const folders = { whole: at('whole'), killed: at('killed') }
      await killWorkers(10, start, input, folders, createRandom(seed))
    },
  )
})
