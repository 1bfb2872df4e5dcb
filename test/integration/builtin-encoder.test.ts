import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Encoder } from '../../shared/encoder/types.ts'
import { openEncoder } from '../../shared/encoders/open-encoder.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import { sharedPath } from '../shared-folder.ts'
import { bundleWorker } from '../worker-bundle.ts'

const PLAIN = { truncate: true, truncationDirection: 'right', normalize: true } as const
const cacheFolder = mkdtempSync(join(tmpdir(), 'espalier-builtin-'))
const infra = new URL('../../infra/', import.meta.url)
const workerUrl = await bundleWorker()

function open(precision: 'float32' | 'int8'): Promise<Encoder> {
  return openEncoder(
    {
      builtinFolder: fileURLToPath(new URL('models', infra)),
      calibrationTexts: fileURLToPath(new URL('calibration/texts.txt', infra)),
      cacheFolder,
      threads: 2,
      workerUrl,
      workers: 2,
      device: 'cpu',
      limits: { maxQueueTokens: 10_000_000, maxQueueWaitMs: 600_000, maxTextBytes: 1_000_000 },
      log: silentLogger,
    },
    { encoder: 'all-MiniLM-L6-v2', precision },
  )
}

/** Vectors of one precision by text, each row a copy. */
async function embed(encoder: Encoder, texts: readonly string[]): Promise<Float32Array[]> {
  const { vectors, dimension } = await encoder.encode(texts, PLAIN)
  return texts.map((_, i) => vectors.slice(i * dimension, (i + 1) * dimension))
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number)
    aa += (a[i] as number) ** 2
    bb += (b[i] as number) ** 2
  }
  return dot / Math.sqrt(aa * bb)
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** Spearman's rank correlation, ties given their mean rank. */
function spearman(a: readonly number[], b: readonly number[]): number {
  const [ra, rb] = [ranks(a), ranks(b)]
  const centre = (a.length - 1) / 2
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < ra.length; i++) {
    const [x, y] = [(ra[i] as number) - centre, (rb[i] as number) - centre]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return ab / Math.sqrt(aa * bb)
}

function ranks(values: readonly number[]): number[] {
  const order = values
    .map((_, i) => i)
    .sort((i, j) => (values[i] as number) - (values[j] as number))
  const result = new Array<number>(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end < order.length && values[order[end] as number] === values[order[start] as number]) {
      end++
    }
    for (let k = start; k < end; k++) result[order[k] as number] = (start + end - 1) / 2
    start = end
  }
  return result
}

interface Golden {
  readonly text: string
  readonly token_count: number
  readonly embedding_256: readonly number[]
}
/** 2,758 sentences by two encoders, on a busy machine. */
const SLOW = { timeout: 240_000 }

describe('the built-in encoder', () => {
  let float32: Encoder
  let int8: Encoder

  beforeAll(async () => {
    float32 = await open('float32')
    int8 = await open('int8')
  })
  afterAll(async () => {
    await float32?.close()
    await int8?.close()
    rmSync(cacheFolder, { recursive: true, force: true })
  })

  it('gives the vectors of sentence-transformers on the bundled texts', async () => {
    const path = fileURLToPath(new URL('../golden/minilm-goldens.json', import.meta.url))
    const { items } = JSON.parse(readFileSync(path, 'utf8')) as {
      items: { text: string; ids: number[]; vector: number[] }[]
    }
    const texts = items.map(({ text }) => text)
    const exact = await float32.encode(texts, PLAIN)
    expect([...exact.tokens]).toEqual(items.map(({ ids }) => Math.min(ids.length, 256)))
    const vectors = await embed(float32, texts)
    const small = await embed(int8, texts)
    for (const [i, { vector }] of items.entries()) {
      expect(cosine(vectors[i] as Float32Array, vector)).toBeGreaterThanOrEqual(0.99999)
      expect(cosine(small[i] as Float32Array, vector)).toBeGreaterThanOrEqual(0.99)
    }
  })

  const goldens = sharedPath('goldens', 'all-MiniLM-L6-v2.json')
  it.skipIf(!goldens)('meets the bars of the reference goldens (needs ../shared)', async () => {
    const { items } = JSON.parse(readFileSync(goldens as string, 'utf8')) as { items: Golden[] }
    const texts = items.map(({ text }) => text)
    const exact = await embed(float32, texts)
    const small = await embed(int8, texts)
    const { tokens } = await float32.encode(texts, PLAIN)
    const similarities: number[] = []
    for (const [i, item] of items.entries()) {
      const vector = exact[i] as Float32Array
      expect(tokens[i]).toBe(Math.min(item.token_count, 256))
      expect(cosine(vector, item.embedding_256)).toBeGreaterThanOrEqual(0.99999)
      for (const [k, value] of vector.entries()) {
        expect(Math.abs(value - (item.embedding_256[k] as number))).toBeLessThanOrEqual(5e-4)
      }
      similarities.push(cosine(small[i] as Float32Array, item.embedding_256))
    }
    expect(mean(similarities)).toBeGreaterThanOrEqual(0.998)
    expect(Math.min(...similarities)).toBeGreaterThanOrEqual(0.99)
  })

  const stsb = sharedPath('data', 'stsb', 'stsb-en-test.csv')
  const slowly = it.skipIf(!stsb)
  slowly('ranks the STS-B test as its authors publish (needs ../shared)', SLOW, async () => {
    const rows = parse(readFileSync(stsb as string, 'utf8')) as [string, string, string][]
    const scores = rows.map((row) => Number(row[2]))
    const firsts = new Map<Encoder, Float32Array[]>()
    for (const encoder of [float32, int8]) {
      const first = await embed(
        encoder,
        rows.map((row) => row[0]),
      )
      const second = await embed(
        encoder,
        rows.map((row) => row[1]),
      )
      const similarity = first.map((vector, i) => cosine(vector, second[i] as Float32Array))
      expect(100 * spearman(similarity, scores)).toBeGreaterThanOrEqual(81.9)
      firsts.set(encoder, first)
    }
    const reference = firsts.get(float32) as Float32Array[]
    const moved = (firsts.get(int8) as Float32Array[]).map((vector, i) =>
      cosine(vector, reference[i] as Float32Array),
    )
    expect(mean(moved.slice(0, 300))).toBeGreaterThanOrEqual(0.9985)
    expect(mean(moved)).toBeGreaterThanOrEqual(0.998)
  })
})
