import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEncoder } from '../../shared/encoder/pooled-encoder.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import { exportEncoder } from '../../shared/exporter/export-encoder.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import type { EncoderManifest, Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import { bundleWorker } from '../worker-bundle.ts'
import { compareBatches, createRandom, encodeAlone, makeTexts } from './exact-batches.ts'

/** How much is compared, for each number of workers. */
export interface ExactnessSize {
  readonly texts: number
  readonly batches: Readonly<Record<'float32' | 'int8', number>>
}

/** The promise that a text has the same bits alone and in any batch, on 1 worker and on 2. */
export function describeExactness({ texts, batches }: ExactnessSize): void {
  const work = mkdtempSync(join(tmpdir(), 'espalier-exact-'))
  const artifactDir = join(work, 'artifact')
  let manifest: EncoderManifest
  let workerUrl: URL

  beforeAll(async () => {
    const folder = fileURLToPath(new URL('../../infra/models/all-MiniLM-L6-v2', import.meta.url))
    const precisions: Precision[] = ['float32', 'int8']
    manifest = await exportEncoder({ folder, output: artifactDir, precisions })
    workerUrl = await bundleWorker()
  })
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  function open(precision: Precision, workers: number): Promise<Encoder> {
    return createEncoder({
      artifactDir,
      manifest,
      precision,
      version: 1,
      workers,
      device: 'cpu',
      workerUrl,
      limits: { maxTextBytes: 65_536, maxQueueTokens: 1_000_000, maxQueueWaitMs: 600_000 },
      log: silentLogger,
    })
  }

  describe.each(['float32', 'int8'] as const)('%s', (precision) => {
    const count = batches[precision]
    test(`${count} random batches on 1 and 2 workers`, async () => {
      const random = createRandom(20)
      const single = await open(precision, 1)
      const alone = await encodeAlone(single, makeTexts(texts, random))
      const onOne = await compareBatches(single, alone, count, random)
      await single.close()
      const pair = await open(precision, 2)
      const onTwo = await compareBatches(pair, alone, count, random)
      await pair.close()
      expect(onOne.different).toEqual([])
      expect(onTwo.different).toEqual([])
      expect(onOne.compared + onTwo.compared).toBeGreaterThan(count)
    })
  })
}
