import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { embedResponseSchema } from '../../shared/contract/embed.ts'
import { infoSchema } from '../../shared/contract/info.ts'
import { bundledCli } from '../cli-bundle.ts'
import { startServer } from './server-process.ts'

const bundle = bundledCli()
/** What sentence-transformers computed; see test/golden/make-checkpoints.py. */
const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
const { VK_DRIVER_FILES = '', VK_ICD_FILENAMES = '', LD_LIBRARY_PATH = '' } = process.env
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-webgpu-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

it('serves the vectors of the reference library from a GPU, and says that it does', async (test) => {
  const server = await startServer(bundle.script, {
    ...(VK_DRIVER_FILES !== '' && { VK_DRIVER_FILES, VK_ICD_FILENAMES, LD_LIBRARY_PATH }),
    ESPALIER_DEVICE: 'webgpu',
    ESPALIER_ENCODER: checkpoint,
    ESPALIER_CACHE: folder,
    ESPALIER_REGISTRY: 'memory:',
  })
  if (!('url' in server)) {
    expect(server.stderr).toContain('ESPALIER_DEVICE=webgpu does not work here')
    expect(process.env.ESPALIER_TEST_GPU, server.stderr).toBeUndefined()
    return test.skip('no WebGPU adapter here: "npm run webgpu" brings one in software')
  }
  const get = async (path: string) => (await fetch(`${server.url}${path}`)).text()
  expect(JSON.parse(await get('/readyz'))).toMatchObject({ status: 'ok', device: 'webgpu' })
  const info = infoSchema.parse(JSON.parse(await get('/info')))
  expect(info).toMatchObject({ device: 'webgpu', workers: 1 })
  expect(info.model_dtype).not.toBe('int8')
  expect(await get('/metrics')).toMatch(/espalier_encoder_info\{.*device="webgpu"/)

  const { items } = JSON.parse(await readFile(join(checkpoint, 'expected.json'), 'utf8')) as {
    items: { text: string; vector: number[] }[]
  }
  const texts = items.filter(({ text }) => text !== '')
  const answer = await fetch(`${server.url}/embed`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: texts.map(({ text }) => text) }),
  })
  expect(answer.headers.get('x-compute-type')).toBe('gpu')
  const vectors = embedResponseSchema.parse(await answer.json())
  const lowest = info.model_dtype === 'float16' ? 0.999 : 0.99999
  for (const [i, { text, vector }] of texts.entries()) {
    expect(cosine(vectors[i]!, vector), text).toBeGreaterThan(lowest)
  }
  expect(await server.stop()).toBe(0)
})
