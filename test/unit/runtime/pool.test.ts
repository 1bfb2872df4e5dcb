import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import type { Job } from '../../../shared/runtime/protocol.ts'
import { createPool } from '../../../shared/runtime/workers/create-pool.ts'
import type { Pool } from '../../../shared/runtime/workers/pool.ts'

const workerUrl = new URL('../../fakes/fake-encoder-worker.mjs', import.meta.url)
const scratch = mkdtempSync(join(tmpdir(), 'pool-'))
const opened: Pool[] = []
let marks = 0

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.close()))
})
afterAll(() => rmSync(scratch, { recursive: true }))

async function open(workers: number, atLoad = 'work', onFree = () => {}): Promise<Pool> {
  const manifest = {} as EncoderManifest
  const init = { artifactDir: atLoad, manifest, precision: 'float32', device: 'cpu' } as const
  const pool = await createPool({ workerUrl, init, workers, log: silentLogger, onFree })
  opened.push(pool)
  return pool
}

/** Opens a pool and waits until all its workers have joined. */
async function openWhole(workers: number): Promise<Pool> {
  let pool: Pool | undefined
  const whole = when(
    () => pool as Pool,
    ({ free }) => free === workers,
  )
  pool = await open(workers, 'work', () => pool && whole.check())
  whole.check()
  await whole.reached
  return pool
}

function job(...texts: string[]): Job {
  return { inputs: texts, modes: [], modeOf: new Uint16Array(texts.length) }
}

/** A path at which no file exists yet. */
function newMark(): string {
  marks += 1
  return join(scratch, `mark-${marks}`)
}

/** Resolves once the condition holds after one of the pool's own events. */
function when(pool: () => Pool, condition: (pool: Pool) => boolean) {
  let done = () => {}
  const reached = new Promise<void>((resolve) => {
    done = resolve
  })
  return { reached, check: () => condition(pool()) && done() }
}

describe('running', () => {
  test('uses every worker, and says which are busy', async () => {
    const pool = await openWhole(3)
    expect(pool).toMatchObject({ size: 3, free: 3, spare: 0, busy: 0, device: 'cpu' })
    const results = [pool.run(job('a')), pool.run(job('bb')), pool.run(job('ccc'))]
    expect(pool).toMatchObject({ free: 0, spare: 3, busy: 3 })
    const rows = await Promise.all(results)
    expect(rows.map(({ vectors }) => vectors[0])).toEqual([1, 2, 3])
    expect(new Set(rows.map(({ tokens }) => tokens[0])).size).toBe(3)
  })

  test('serves from the first worker that is ready; the others join', async () => {
    const pool = await open(4)
    expect(pool.size).toBe(4)
    expect((await pool.run(job('a'))).vectors[0]).toBe(1)
  })

  test('a worker holds one job beside the one it runs, in order', async () => {
    const pool = await openWhole(1)
    const order: string[] = []
    const run = (text: string) => pool.run(job(text)).then(() => order.push(text))
    const both = [run('first'), run('second')]
    expect(pool).toMatchObject({ free: 0, spare: 0, busy: 1 })
    await Promise.all(both)
    expect(order).toEqual(['first', 'second'])
    expect(pool).toMatchObject({ free: 1, spare: 0, busy: 0 })
  })

  test("reports a worker's error and goes on", async () => {
    const pool = await open(1)
    await expect(pool.run(job('fail'))).rejects.toMatchObject({ code: 'invalid_request' })
    expect((await pool.run(job('next'))).vectors[0]).toBe(4)
  })

  test('calls back when a worker is free', async () => {
    let calls = 0
    const pool = await open(1, 'work', () => {
      calls += 1
    })
    await pool.run(job('a'))
    await pool.run(job('b'))
    expect(calls).toBeGreaterThan(0)
  })
})

describe('crashes', () => {
  test('the job in which a worker ends fails with the crash, the one behind it is done', async () => {
    const pool = await openWhole(1)
    const [crashed, behind] = await Promise.allSettled([
      pool.run(job('crash')),
      pool.run(job('behind')),
    ])
    expect(crashed).toMatchObject({
      status: 'rejected',
      reason: { name: 'WorkerCrash', message: expect.stringContaining('told to crash') },
    })
    expect(behind).toMatchObject({ status: 'fulfilled' })
    expect(pool).toMatchObject({ size: 1, crashes: 1 })
  })

  test('the others go on while a worker is replaced', async () => {
    const pool = await openWhole(2)
    const results = await Promise.allSettled([
      pool.run(job('crash')),
      ...Array.from({ length: 10 }, (_, i) => pool.run(job('x'.repeat(i)))),
    ])
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(pool.size).toBe(2)
  })

  test('a replacement has the projections of the others', async () => {
    const pool = await open(1)
    const none = new Float32Array(0)
    await pool.addProjection({ id: 4, columns: 0, weights: none, bias: none, distances: [] })
    await pool.addProjection({ id: 5, columns: 0, weights: none, bias: none, distances: [] })
    await pool.dropProjection(4)
    await expect(pool.run(job('crash'))).rejects.toThrow('told to crash')
    const { scores } = await pool.run(job('fine'))
    expect(scores.map(({ projection }) => projection)).toEqual([5])
  })

  test('work is refused when no worker can be started again', async () => {
    let pool: Pool | undefined
    const gone = when(
      () => pool as Pool,
      ({ size }) => size === 0,
    )
    pool = await open(1, `die-again ${newMark()}`, () => gone.check())
    await expect(pool.run(job('crash'))).rejects.toThrow('told to crash')
    await gone.reached
    await expect(pool.run(job('a'))).rejects.toThrow(/no encoder worker is left/)
  })
})

describe('start and end', () => {
  test('the first failure at load is reported once, as it is', async () => {
    await expect(open(3, 'fail-load')).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: 'model.onnx: refused',
    })
    await expect(open(2, 'crash-load')).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('broken at load'),
    })
  })

  test('closing waits for what runs, a crash in it included', async () => {
    const pool = await open(2)
    const jobs = ['a', 'crash', 'bb', 'ccc'].map((text) => pool.run(job(text)))
    const settled = Promise.allSettled(jobs)
    await pool.close()
    const states = (await settled).map(({ status }) => status)
    expect(states).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(pool.size).toBe(0)
  })
})
