import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { tinyTokenizerJson, writeTinyEncoder } from '../fakes/tiny-encoder.ts'
import { bundleWorker } from '../worker-bundle.ts'
import { createPlace, measure, note, OTHERS, startChaosServer } from './chaos-process.ts'
import { HEALTHY } from './observe.ts'

const PROBE_MS = 50
const SHUTDOWN_SECONDS = 1
/** After the time for requests in flight a process that hangs has so long. */
const KILL_SECONDS = 3
const SETTINGS = {
  ESPALIER_RUN_TIMEOUT_MS: '1000',
  ESPALIER_SHUTDOWN_TIMEOUT_MS: String(1000 * SHUTDOWN_SECONDS),
}
let hooked: Record<string, string>

beforeAll(async () => {
  const hook = fileURLToPath(await bundleWorker('test/fakes/worker-fault-hook.ts'))
  hooked = { ...SETTINGS, NODE_OPTIONS: `--require ${hook}` }
})

describe('a worker that does not come back', () => {
  it.each(['by a fault', 'by a regular expression of its tokenizer'])('%s', async (how) => {
    const place = await createPlace()
    const isFault = how === 'by a fault'
    const env = isFault
      ? hooked
      : { ...SETTINGS, ESPALIER_ENCODER: await writeHostile(place.folder) }
    const server = await startChaosServer({ ...place.env, ...env })
    // Of the regular expression: 2^40 steps, hours.
    const text = isFault ? `HANG ${join(place.folder, 'end')}` : `${'a'.repeat(40)}!`
    const begun = performance.now()
    const stuck = server.ask('/embed', { inputs: ['dog', text] })
    const beside = await measure(100, async () => {
      expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    })
    const probes = await measure(100, () => server.ask('/readyz'))
    const { status, text: answer } = await stuck
    const failedSeconds = (performance.now() - begun) / 1000
    expect({ status, answer }).toMatchObject({
      status: 424,
      answer: expect.stringContaining('inputs[1]'),
    })
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
    expect(await server.health()).toEqual(HEALTHY)
    expect(await server.metric('espalier_stuck_workers_total')).toBe(2)
    const after = await measure(50, () => server.askAll(OTHERS))
    const stopping = performance.now()
    // A thread that hangs can only be ended with the process, which does so by SIGKILL.
    expect(await server.process.stop()).toBeNull()
    const stoppedSeconds = (performance.now() - stopping) / 1000
    note(how, { beside, probes, after, failedSeconds, stoppedSeconds })
    expect(probes.medianMs).toBeLessThan(PROBE_MS)
    // Two runs of a second each, and two workers that are started anew.
    expect(failedSeconds).toBeLessThan(20)
    expect(stoppedSeconds).toBeLessThan(SHUTDOWN_SECONDS + KILL_SECONDS + 2)
  })
})

it('workers that crash again and again: others get the same answers', async () => {
  const { env } = await createPlace()
  const server = await startChaosServer({ ...env, ...hooked })
  const crashes = Array.from({ length: 5 }, (_, i) =>
    server.ask('/embed', { inputs: ['dog', `END-WORKER ${i}`] }),
  )
  const beside = await measure(20, async () => {
    expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  })
  for (const { status } of await Promise.all(crashes)) expect(status).toBe(424)
  expect(await server.metric('espalier_worker_crashes_total')).toBeGreaterThanOrEqual(5)
  const seconds = await server.waitFor(HEALTHY)
  expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  note('crashes', { beside, seconds })
  expect(await server.process.stop()).toBe(0)
})

/** A folder that is served as it is, whose tokenizer takes twice as long for each further `a`. */
async function writeHostile(folder: string): Promise<string> {
  const target = join(folder, 'hostile')
  await mkdir(target)
  const manifest = await writeTinyEncoder(target)
  const normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: ' ' }
  const text = JSON.stringify({ ...tinyTokenizerJson(), normalizer })
  await writeFile(join(target, manifest.tokenizer), text)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const file = { sha256, bytes: Buffer.byteLength(text) }
  const files = { ...manifest.files, [manifest.tokenizer]: file }
  await writeFile(join(target, 'encoder.json'), JSON.stringify({ ...manifest, files }))
  return target
}
