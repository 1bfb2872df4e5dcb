import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { TextEncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { loadTokenizer } from '../../../shared/runtime/text/tokenizer.ts'
import { bundleWorker } from '../../worker-bundle.ts'

/** What Hugging Face's tokenizers make of texts before and after; see test/golden/make-kept-tokens.py. */
interface Golden {
  readonly tokenizer: object
  readonly keep: readonly string[]
  readonly texts: readonly {
    readonly text: string
    readonly before: string[]
    readonly after: string[]
  }[]
  readonly vocabulary: readonly string[]
}

const goldens = fileURLToPath(new URL('../../golden/', import.meta.url))
const golden: Golden = JSON.parse(readFileSync(join(goldens, 'kept-tokens.json'), 'utf8'))
const checkpoint = join(goldens, 'checkpoints/bert-mean')
const workerUrl = await bundleWorker()
const work = mkdtempSync(join(tmpdir(), 'espalier-keep-tokens-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const pieces = join(work, 'pieces')
cpSync(checkpoint, pieces, { recursive: true })
writeFileSync(join(pieces, 'tokenizer.json'), JSON.stringify(golden.tokenizer))
const config = JSON.parse(readFileSync(join(pieces, 'config.json'), 'utf8'))
writeFileSync(join(pieces, 'config.json'), JSON.stringify({ ...config, pad_token_id: 1 }))

let count = 0
function listTokens(tokens: string | readonly string[]): string {
  const path = join(work, `tokens-${count++}.txt`)
  writeFileSync(path, typeof tokens === 'string' ? tokens : `${tokens.join('\n')}\n`)
  return path
}

async function exportTo(name: string, folder: string, keepTokens?: string) {
  const output = join(work, name)
  const manifest = await exportEncoder({ folder, output, precisions: ['float32'], keepTokens })
  return { output, manifest }
}

const whole = { maxTokens: 10_000, truncate: false, truncationDirection: 'right' } as const

async function vectorsOf(
  { output, manifest }: { readonly output: string; readonly manifest: TextEncoderManifest },
  texts: readonly string[],
) {
  const encoder = await createEncoder({
    artifactDir: output,
    manifest,
    precision: 'float32',
    version: 1,
    workers: 1,
    device: 'cpu',
    workerUrl,
    limits: { maxTextBytes: 65_536, maxQueueTokens: 65_536, maxQueueWaitMs: 60_000 },
    log: silentLogger,
  })
  try {
    const cut = { truncate: true, truncationDirection: 'right', normalize: true } as const
    const { vectors } = await encoder.encode(texts, cut)
    return vectors
  } finally {
    await encoder.close()
  }
}

describe('a Unigram vocabulary with fewer tokens', () => {
  it('spells texts as the reference does with the same tokens', async () => {
    const { output, manifest } = await exportTo('pruned', pieces, listTokens(golden.keep))
    const tokenizer = await loadTokenizer(join(output, 'tokenizer.json'))
    for (const { text, after } of golden.texts) {
      const { ids } = tokenizer.encode(text, whole)
      const spelled = ids.map((id) => golden.vocabulary[id])
      expect(spelled, text).toEqual(['<s>', ...after, '</s>'])
    }
    expect(golden.texts.some(({ before, after }) => before.join() !== after.join())).toBe(true)
    expect(manifest.vocabulary).toEqual({ tokens: golden.vocabulary.length, of: 102 })
    expect(manifest.padId).toBe(1)
  })

  it('gives texts of kept tokens the vectors that they had, under a fingerprint of its own', async () => {
    const before = await exportTo('whole', pieces)
    const after = await exportTo('fewer', pieces, listTokens(golden.keep))
    const texts = golden.texts.filter((each) => each.before.join() === each.after.join())
    expect(texts.length).toBeGreaterThan(0)
    const all = texts.map(({ text }) => text)
    expect(await vectorsOf(after, all)).toEqual(await vectorsOf(before, all))
    expect(before.manifest.vocabulary).toBeUndefined()
    expect(after.manifest.family).not.toBe(before.manifest.family)
    expect(after.manifest.graphs.float32?.fingerprint).not.toBe(
      before.manifest.graphs.float32?.fingerprint,
    )
  })
})

describe('a WordPiece vocabulary with fewer tokens', () => {
  it('spells with the characters that stay, and numbers the special tokens anew', async () => {
    const json = JSON.parse(readFileSync(join(checkpoint, 'tokenizer.json'), 'utf8'))
    const pieces = Object.keys(json.model.vocab)
    const longer = pieces.filter((piece) => /^[a-z]{3,}$/.test(piece))
    const [kept, dropped] = longer as [string, string]
    const { output, manifest } = await exportTo('words', checkpoint, listTokens([kept]))
    const { model } = JSON.parse(readFileSync(join(output, 'tokenizer.json'), 'utf8'))
    const tokenizer = await loadTokenizer(join(output, 'tokenizer.json'))
    const names = new Map(Object.entries(model.vocab).map(([piece, id]) => [id, piece]))
    const spell = (text: string) => tokenizer.encode(text, whole).ids.map((id) => names.get(id))
    expect(spell(kept)).toEqual(['[CLS]', kept, '[SEP]'])
    const letters = [...dropped].map((letter, i) => (i === 0 ? letter : `##${letter}`))
    const known = letters.every((piece) => pieces.includes(piece))
    expect(spell(dropped)).toEqual(['[CLS]', ...(known ? letters : ['[UNK]']), '[SEP]'])
    expect(manifest.vocabulary?.tokens).toBe(names.size)
  })
})

describe('what is refused', () => {
  it.each([
    ['a token that there is not', ['▁nowhere-at-all'], 'invalid_request', 'no token "▁nowhere'],
    ['a file without tokens', '\n\n', 'invalid_data', 'names no token'],
  ])('%s', async (_, tokens, code, message) => {
    await expect(exportTo('refused', pieces, listTokens(tokens))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })

  it('a file that is not there, or no text', async () => {
    const missing = exportTo('refused', pieces, join(work, 'missing.txt'))
    await expect(missing).rejects.toMatchObject({ code: 'invalid_data' })
    const path = join(work, 'binary.txt')
    writeFileSync(path, Uint8Array.of(0x61, 0xff, 0xfe, 0x0a))
    await expect(exportTo('refused', pieces, path)).rejects.toMatchObject({
      message: expect.stringContaining('not UTF-8'),
    })
  })

  it('a tokenizer of another kind, and one with more tokens than rows', async () => {
    const folder = join(work, 'other')
    cpSync(pieces, folder, { recursive: true })
    const write = (name: string, value: unknown) =>
      writeFileSync(join(folder, name), JSON.stringify(value))
    write('config.json', { ...config, vocab_size: 90 })
    const tokens = listTokens(golden.keep)
    await expect(exportTo('refused', folder, tokens)).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringContaining('vocab_size 90'),
    })
    const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']] }
    write('tokenizer.json', { model })
    await expect(exportTo('refused', folder, tokens)).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringContaining('BPE'),
    })
  })
})
