import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { readTransformerConfig } from '../../../shared/exporter/source/source-config.ts'
import type { Precision } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { type NamedTensor, openSession, type Session } from '../../../shared/runtime/session.ts'
import { loadTokenizer } from '../../../shared/runtime/text/tokenizer.ts'

/** What the reference library computed for a folder; see test/golden/make-architectures.py. */
interface Expected {
  readonly pooling: string
  readonly items: readonly {
    readonly text: string
    readonly tokens: number
    readonly vector: readonly number[]
  }[]
}

/** The product's bars, as cosine to float32 of the reference. */
const BARS = { float32: 0.99999, float16: 0.9999, int8: 0.995 } as const
const PRECISIONS = ['float32', 'float16', 'int8'] as const satisfies readonly Precision[]
const MAX_TOKENS = 512

const folders = fileURLToPath(new URL('../../golden/architectures/', import.meta.url))
const names = readdirSync(folders).sort()
const work = mkdtempSync(join(tmpdir(), 'espalier-architectures-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** A few lines in each script: random weights need no more. */
const calibration = join(work, 'calibration.txt')
const shipped = new URL('../../../infra/calibration/texts.txt', import.meta.url)
const sentences = readFileSync(shipped, 'utf8').split('\n')
const foreign = readExpected(names[0] as string).items.map(({ text }) => text.slice(0, 60))
writeFileSync(calibration, [...sentences.filter((_, i) => i % 12 === 0), ...foreign].join('\n'))

function readExpected(name: string): Expected {
  return JSON.parse(readFileSync(join(folders, name, 'expected.json'), 'utf8')) as Expected
}

/** Vectors of rows in one run, padded to the longest, or to more. */
async function run(session: Session, rows: readonly (readonly number[])[], extra = 0) {
  const width = Math.max(...rows.map(({ length }) => length)) + extra
  const ids = new Int32Array(rows.length * width).fill(1)
  const mask = new Float32Array(rows.length * width)
  for (const [row, tokens] of rows.entries()) {
    ids.set(tokens, row * width)
    mask.fill(1, row * width, row * width + tokens.length)
  }
  const dims = [rows.length, width]
  const feeds = { input_ids: { data: ids, dims }, attention_mask: { data: mask, dims } }
  const { embedding } = await session.run(feeds, ['embedding'])
  const { data, dims: found } = embedding as NamedTensor
  const size = found[1] as number
  return rows.map((_, row) =>
    Array.from((data as Float32Array).subarray(row * size, (row + 1) * size)),
  )
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe.each(names)('architecture %s', (name) => {
  const { items } = readExpected(name)
  const folder = join(folders, name)
  const output = join(work, name)
  const exported = exportEncoder({ folder, output, precisions: PRECISIONS, calibration })

  it('exports all precisions, and reads texts as long as the reference', async () => {
    const manifest = await exported
    expect(manifest.maxTokens).toBe(MAX_TOKENS)
    expect(Object.keys(manifest.graphs).sort()).toEqual([...PRECISIONS].sort())
    const rows = await tokenize(folder, items)
    expect(rows.map(({ length }) => length)).toEqual(items.map(({ tokens }) => tokens))
  })

  it.each(PRECISIONS)('gives the vectors of the reference library in %s', async (precision) => {
    await exported
    const session = await openSession(join(output, `${precision}.onnx`), {})
    try {
      for (const [i, row] of (await tokenize(folder, items)).entries()) {
        const { text, vector } = items[i] as Expected['items'][number]
        const [found] = (await run(session, [row])) as [number[]]
        expect(cosine(found, vector), text).toBeGreaterThanOrEqual(BARS[precision])
      }
    } finally {
      await session.release()
    }
  })

  it.each(['float32', 'int8'])(
    'gives a text the same bits in any batch in %s',
    async (precision) => {
      await exported
      const session = await openSession(join(output, `${precision}.onnx`), {})
      try {
        const rows = (await tokenize(folder, items)).filter(({ length }) => length < 300)
        const alone: number[][] = []
        for (const row of rows) alone.push(...(await run(session, [row])))
        expect(await run(session, rows)).toEqual(alone)
        expect(await run(session, rows.toReversed(), 37)).toEqual(alone.toReversed())
        for (const [i, row] of rows.entries()) {
          expect(await run(session, [row], 1 + (i % 7)), `row ${i}`).toEqual([alone[i]])
        }
      } finally {
        await session.release()
      }
    },
  )
})

it('reads NomicBERT in the words of published folders as in those of transformers', async () => {
  const folder = join(work, 'published')
  cpSync(join(folders, 'nomic_bert'), folder, { recursive: true })
  const published = {
    model_type: 'nomic_bert',
    activation_function: 'swiglu',
    layer_norm_epsilon: 1e-12,
    n_embd: 32,
    n_head: 4,
    n_inner: 48,
    n_layer: 2,
    n_positions: 2048,
    pad_token_id: 1,
    rotary_emb_base: 1000,
    rotary_emb_fraction: 1,
    vocab_size: 320,
  }
  const words = await readTransformerConfig(folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(published))
  expect(await readTransformerConfig(folder)).toEqual(words)
})

async function tokenize(folder: string, items: Expected['items']): Promise<number[][]> {
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer.json'))
  const cut = { maxTokens: MAX_TOKENS, truncate: true, truncationDirection: 'right' } as const
  return items.map(({ text }) => Array.from(tokenizer.encode(text, cut).ids))
}
