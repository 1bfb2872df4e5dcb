import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { startedServer, startServer } from './server-process.ts'

const bundle = bundledCli()
const encoder = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
let folder: string
let env: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-devices-'))
  env = { ESPALIER_CACHE: folder, ESPALIER_REGISTRY: 'memory:', ESPALIER_ENCODER: encoder }
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('on a machine without CUDA', () => {
  it('cuda ends the start with one line, before anything is exported', async (test) => {
    const ended = await startServer(bundle.script, { ...env, ESPALIER_DEVICE: 'cuda' })
    if ('url' in ended) {
      await ended.stop()
      return test.skip('CUDA works here')
    }
    expect(ended.code).toBe(2)
    const lines = ended.stderr.trim().split('\n')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^espalier: ESPALIER_DEVICE=cuda does not work here: .*auto/)
  })

  it('auto serves from the CPU, says why in the log, and names the device in all places', async (test) => {
    const server = await startedServer(bundle.script, { ...env, ESPALIER_DEVICE: 'auto' })
    const get = async (path: string) => (await fetch(`${server.url}${path}`)).text()
    const ready = JSON.parse(await get('/readyz'))
    const info = JSON.parse(await get('/info'))
    const metrics = await get('/metrics')
    await server.stop()
    if (ready.device === 'cuda') return test.skip('CUDA works here')
    expect(ready).toMatchObject({ status: 'ok', device: 'cpu' })
    expect(info).toMatchObject({ device: 'cpu', model_dtype: 'int8' })
    expect(metrics).toMatch(/espalier_encoder_info\{.*device="cpu",precision="int8"/)
    const warnings = server.logged().filter(({ level }) => level === 40)
    expect(warnings).toMatchObject([{ device: 'cpu', precision: 'int8' }])
    expect(warnings[0]!.msg).toMatch(/^no GPU in use, running on the CPU: /)
  })

  it('int8 is refused on a GPU before one is looked for', async () => {
    const settings = { ...env, ESPALIER_DEVICE: 'cuda', ESPALIER_PRECISION: 'int8' }
    const ended = await startServer(bundle.script, settings)
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('int8 runs on CPUs') })
  })
})
