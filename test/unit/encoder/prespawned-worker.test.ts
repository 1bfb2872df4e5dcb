import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { Encoder } from '../../../shared/encoder/types.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { PrespawnedWorker } from '../../../shared/runtime/workers/prespawned-worker.ts'
import { writeTinyEncoder } from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const
const LIMITS = { maxQueueTokens: 100_000, maxQueueWaitMs: 60_000, maxTextBytes: 1_000_000 }
/** What `take` would send; nobody loads it. */
const UNUSED = { artifactDir: '', precision: 'float32', device: 'cpu' } as const

let folder: string
let workerUrl: URL
let manifest: EncoderManifest

beforeAll(async () => {
  workerUrl = await bundleWorker()
  folder = await mkdtemp(join(tmpdir(), 'prespawned-worker-'))
  manifest = await writeTinyEncoder(folder)
})

afterAll(() => rm(folder, { recursive: true }))

function open(
  prespawned: PrespawnedWorker,
  workers = 1,
  onVerified?: () => void,
): Promise<Encoder> {
  return createEncoder({
    artifactDir: folder,
    manifest,
    precision: 'float32',
    version: 1,
    workers,
    prespawned,
    device: 'cpu',
    workerUrl,
    limits: LIMITS,
    log: silentLogger,
    onVerified,
  })
}

describe('a pre-spawned worker', () => {
  test('is taken by the encoder, and gives the vectors of any other', async () => {
    const prespawned = new PrespawnedWorker(workerUrl)
    let verified = 0
    const encoder = await open(prespawned, 2, () => {
      verified += 1
    })
    expect(prespawned.take({ ...UNUSED, manifest })).toBeNull()
    expect(verified).toBe(1)
    const gone = new PrespawnedWorker(workerUrl)
    await gone.dispose()
    const plain = await open(gone)
    const texts = ['the cat sat', 'dog']
    const [a, b] = await Promise.all(
      [encoder, plain].map((either) => either.encode(texts, OPTIONS)),
    )
    expect(a?.vectors).toEqual(b?.vectors)
    await Promise.all([encoder.close(), plain.close(), prespawned.dispose()])
  })

  test('ends when nobody takes it', async () => {
    const prespawned = new PrespawnedWorker(workerUrl)
    await prespawned.dispose()
    expect(prespawned.take({ ...UNUSED, manifest })).toBeNull()
    await prespawned.dispose()
  })

  test('opens no file of a damaged artifact, and ends', async () => {
    const damaged = await mkdtemp(join(tmpdir(), 'prespawned-damaged-'))
    const { files, graphs, ...rest } = await writeTinyEncoder(damaged)
    await appendFile(join(damaged, graphs.float32?.file ?? ''), 'x')
    const opening = createEncoder({
      artifactDir: damaged,
      manifest: { files, graphs, ...rest },
      precision: 'float32',
      version: 1,
      workers: 2,
      prespawned: new PrespawnedWorker(workerUrl),
      device: 'cpu',
      workerUrl,
      limits: LIMITS,
      log: silentLogger,
    })
    await expect(opening).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringContaining(graphs.float32?.file ?? '?'),
    })
    await rm(damaged, { recursive: true })
  })
})
