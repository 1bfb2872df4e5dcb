import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions } from '../../../shared/encoder/types.ts'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import type { SourceAnswers } from '../../../shared/exporter/source/answers.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { EncoderManifest, Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { loadTokenizer } from '../../../shared/runtime/text/tokenizer.ts'
import { bundleWorker } from '../../worker-bundle.ts'

/** What sentence-transformers computed for a folder; see test/golden/make-checkpoints.py. */
interface Expected {
  readonly pooling: string
  readonly normalize: boolean
  readonly dimension: number
  readonly max_tokens: number
  readonly default_prompt: string | null
  readonly items: readonly {
    readonly text: string
    readonly ids: readonly number[]
    readonly vector: readonly number[]
  }[]
}

const folders = fileURLToPath(new URL('../../golden/checkpoints/', import.meta.url))
const names = readdirSync(folders).sort()
const workerUrl = await bundleWorker()
const work = mkdtempSync(join(tmpdir(), 'espalier-checkpoints-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

function readExpected(name: string): Expected {
  return JSON.parse(readFileSync(join(folders, name, 'expected.json'), 'utf8')) as Expected
}

async function encodeWith(
  manifest: EncoderManifest,
  artifactDir: string,
  precision: Precision,
  texts: readonly string[],
  options: Partial<EncodeOptions>,
) {
  const encoder = await createEncoder({
    artifactDir,
    manifest,
    precision,
    version: 1,
    workers: 1,
    device: 'cpu',
    workerUrl,
    limits: { maxTextBytes: 65_536, maxQueueTokens: 65_536, maxQueueWaitMs: 60_000 },
    log: silentLogger,
  })
  try {
    const common = { truncate: true, truncationDirection: 'right', normalize: true } as const
    return await encoder.encode(texts, { ...common, ...options })
  } finally {
    await encoder.close()
  }
}

function rows(vectors: Float32Array, dimension: number): number[][] {
  const count = vectors.length / dimension
  return Array.from({ length: count }, (_, row) =>
    Array.from(vectors.subarray(row * dimension, (row + 1) * dimension)),
  )
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe.each(names)('checkpoint %s', (name) => {
  const expected = readExpected(name)
  const texts = expected.items.map(({ text }) => text)
  const output = join(work, name)

  it('exports and gives the vectors of the reference library', async () => {
    const manifest = await exportEncoder({
      folder: join(folders, name),
      output,
      precisions: ['float32'],
      ...answersOf(name),
    })
    expect(manifest).toMatchObject({
      pooling: expected.pooling,
      dimension: expected.dimension,
      maxTokens: expected.max_tokens,
      defaultPrompt: expected.default_prompt,
    })
    const prompt = manifest.prompts[manifest.defaultPrompt ?? ''] ?? ''
    const batch = await encodeWith(manifest, output, 'float32', texts, { prompt })
    const found = rows(batch.vectors, batch.dimension)
    for (const [i, { text, vector, ids }] of expected.items.entries()) {
      expect(batch.tokens[i], `tokens of ${text}`).toBe(ids.length)
      const row = found[i] as number[]
      expect(cosine(row, vector), `cosine of ${text}`).toBeGreaterThanOrEqual(0.99999)
      expect(Math.hypot(...row), `length of ${text}`).toBeCloseTo(1, 5)
    }
    expect(batch.truncated[texts.length - 1]).toBe(1)

    if (expected.normalize) return
    // Without a Normalize module the reference gives pooled vectors: ours are those when asked for.
    const options = { prompt, normalize: false }
    const pooled = await encodeWith(manifest, output, 'float32', texts, options)
    for (const [i, row] of rows(pooled.vectors, pooled.dimension).entries()) {
      const wanted = expected.items[i]?.vector ?? []
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(wanted[j] as number, 4)
    }
  })

  it('tokenises like the reference library', async () => {
    const tokenizer = await loadTokenizer(join(folders, name, 'tokenizer.json'))
    const prompt = readPrompts(name)[expected.default_prompt ?? ''] ?? ''
    for (const { text, ids } of expected.items) {
      const { ids: found } = tokenizer.encode(prompt + text, {
        maxTokens: expected.max_tokens,
        truncate: true,
        truncationDirection: 'right',
      })
      expect(found, text).toEqual(ids)
    }
  })
})

/** A folder as transformers writes it leaves open what sentence-transformers takes for granted. */
function answersOf(name: string): SourceAnswers {
  return name === 'bert-plain' ? { pooling: 'mean', headless: true } : {}
}

function readPrompts(name: string): Record<string, string> {
  const path = join(folders, name, 'config_sentence_transformers.json')
  if (!existsSync(path)) return {}
  return (JSON.parse(readFileSync(path, 'utf8')) as { prompts: Record<string, string> }).prompts
}
