import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTextEncoder } from '../../shared/encoder/text-encoder.ts'
import type { EncodedBatch, Encoder } from '../../shared/encoder/types.ts'
import { exportEncoder } from '../../shared/exporter/export-encoder.ts'
import type { EncoderManifest } from '../../shared/lib/encoder-manifest.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import { loadTokenizer } from '../../shared/runtime/tokenizer.ts'
import { bundleWorker } from '../worker-bundle.ts'

interface Golden {
  readonly text: string
  readonly ids: readonly number[]
  readonly vector: readonly number[]
}

const folder = fileURLToPath(new URL('../../infra/models/all-MiniLM-L6-v2', import.meta.url))
const goldenUrl = new URL('../golden/minilm-goldens.json', import.meta.url)
const { items } = JSON.parse(readFileSync(goldenUrl, 'utf8')) as { items: readonly Golden[] }
const texts = items.map(({ text }) => text)
const work = mkdtempSync(join(tmpdir(), 'espalier-builtin-'))
const output = join(work, 'artifact')
let manifest: EncoderManifest

beforeAll(async () => {
  manifest = await exportEncoder({ folder, output, precisions: ['float32', 'int8'] })
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

function encodeAll(encoder: Encoder, inputs: readonly string[]): Promise<EncodedBatch> {
  const options = { truncate: true, truncationDirection: 'right', normalize: true } as const
  return encoder.encode(inputs, options)
}

function rowOf(batch: EncodedBatch, index: number): Float32Array {
  return batch.vectors.subarray(index * batch.dimension, (index + 1) * batch.dimension)
}

/** Cosine to the reference and the largest difference, per golden text. Both sides have length 1. */
function compare(batch: EncodedBatch): { cosine: number; difference: number }[] {
  return items.map(({ vector }, index) => {
    const row = rowOf(batch, index)
    return {
      cosine: vector.reduce((sum, value, i) => sum + value * (row[i] as number), 0),
      difference: Math.max(...vector.map((value, i) => Math.abs(value - (row[i] as number)))),
    }
  })
}

describe.each(['float32', 'int8'] as const)('the built-in encoder in %s', (precision) => {
  let encoder: Encoder
  beforeAll(async () => {
    encoder = await createTextEncoder({
      artifactDir: output,
      manifest,
      precision,
      version: 1,
      workers: 2,
      device: 'cpu',
      workerUrl: await bundleWorker(),
      limits: { maxTextBytes: 65_536, maxQueueTokens: 65_536, maxQueueWaitMs: 60_000 },
      log: silentLogger,
    })
  })
  afterAll(() => encoder.close())

  it('agrees with the reference library', async () => {
    const batch = await encodeAll(encoder, texts)
    const found = compare(batch)
    expect([...batch.tokens]).toEqual(items.map(({ ids }) => ids.length))
    const mean = found.reduce((sum, { cosine }) => sum + cosine, 0) / found.length
    // float32 differs by the 16-bit rounding of the weights alone.
    expect(Math.min(...found.map(({ cosine }) => cosine))).toBeGreaterThanOrEqual(
      precision === 'float32' ? 0.99999 : 0.98,
    )
    expect(mean).toBeGreaterThanOrEqual(precision === 'float32' ? 0.99999 : 0.995)
    if (precision === 'int8') return
    expect(Math.max(...found.map(({ difference }) => difference))).toBeLessThanOrEqual(5e-4)
  })

  it('gives a text the same bits alone and in company', async () => {
    const together = await encodeAll(encoder, [...texts, ...texts.toReversed()])
    for (const [index, text] of texts.entries()) {
      const alone = await encodeAll(encoder, [text])
      expect(rowOf(together, index), text).toEqual(rowOf(alone, 0))
      expect(rowOf(together, 2 * texts.length - 1 - index), text).toEqual(rowOf(alone, 0))
    }
  })
})

describe('the built-in tokenizer', () => {
  it('gives the ids of the reference library', async () => {
    const tokenizer = await loadTokenizer(join(folder, 'tokenizer.json'))
    for (const { text, ids } of items) {
      const options = { maxTokens: 256, truncate: true, truncationDirection: 'right' } as const
      expect(tokenizer.encode(text, options).ids, text).toEqual(ids)
    }
  })
})
