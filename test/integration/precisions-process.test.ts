import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bundledCli } from '../cli-bundle.ts'
import { writeTinyTextGraph } from '../fakes/tiny-text-graph.ts'
import { finish } from './finish-process.ts'

const checkpoint = fileURLToPath(new URL('../golden/checkpoints/bert-mean', import.meta.url))
const intents = fileURLToPath(new URL('../fixtures/intents.csv', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-precisions-'))
const artifact = join(folder, 'only-float32')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The command line in a process of its own, which nobody tells a precision. */
function start(argv: readonly string[]): ChildProcessWithoutNullStreams {
  const env = {
    PATH: process.env.PATH,
    ESPALIER_CACHE: join(folder, 'cache'),
    ESPALIER_REGISTRY: `file:${join(folder, 'registry')}`,
    ESPALIER_ENCODER: artifact,
    ESPALIER_WORKERS: '1',
  }
  return spawn(process.execPath, [bundledCli().script, ...argv], { env })
}

beforeAll(async () => {
  const model = join(folder, 'model')
  cpSync(checkpoint, model, { recursive: true })
  rmSync(join(model, 'model.safetensors'))
  writeTinyTextGraph(model, 'onnx/model.onnx')
  const argv = ['export', model, '--output', artifact, '--precision', 'float32', '-q']
  expect(await finish(start(argv))).toMatchObject({ code: 0 })
  writeFileSync(join(folder, 'texts.txt'), 'the first people\n')
})

it('embeds with what an encoder has, and says so', async () => {
  const { code, stderr } = await finish(start(['embed', join(folder, 'texts.txt')]))
  expect(code).toBe(0)
  expect(stderr).toContain('it has no int8 graph: float32 runs')
  expect(stderr).toMatch(/1 text embedded .*, float32, 6 dimensions/)
})

it('trains on what an encoder has, and says so', async () => {
  const argv = ['train', intents, '--name', 'intent', '--method', 'ncm', '-q']
  const { code, stdout } = await finish(start(argv))
  expect(code).toBe(0)
  expect(stdout).toMatch(/ {2}vectors of model@v1, float32\n/)
})

it('serves with what an encoder has, and says so', async () => {
  const child = start(['serve', '--port', '0'])
  const ended = finish(child)
  try {
    const [line] = await once(child.stdout, 'data')
    const url = /http:\S+/.exec(String(line))?.[0]
    const body = JSON.stringify({ inputs: 'the first people' })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/embed`, { method: 'POST', body, headers })
    expect(answer.status).toBe(200)
    const info = await fetch(`${url}/info`)
    expect(await info.json()).toMatchObject({ model_dtype: 'float32' })
  } finally {
    child.kill('SIGTERM')
  }
  expect((await ended).stderr).toContain('it has no int8 graph: float32 runs')
})

it('refuses a precision that was named and is missing, with those that there are', async () => {
  const argv = ['embed', join(folder, 'texts.txt'), '--precision', 'int8']
  const { code, stderr } = await finish(start(argv))
  expect(code).toBe(2)
  expect(stderr).toContain('model has no int8 graph: set the precision to one of float32')
})
