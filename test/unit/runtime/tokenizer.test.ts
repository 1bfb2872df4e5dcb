import { readFileSync } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { createTokenizer, loadTokenizer } from '../../../shared/runtime/text/tokenizer.ts'
import { TINY_VOCABULARY, tinyTokenizerJson } from '../../fakes/tiny-encoder.ts'
import { sharedPath } from '../../shared-folder.ts'

const RIGHT = { maxTokens: 1_000_000, truncate: true, truncationDirection: 'right' } as const
const tiny = createTokenizer(JSON.stringify(tinyTokenizerJson()), 'tiny')

function tokens(text: string, options: Partial<Parameters<typeof tiny.encode>[1]> = {}): string {
  const { ids } = tiny.encode(text, { ...RIGHT, ...options })
  return ids.map((id) => TINY_VOCABULARY[id]).join(' ')
}

describe('a tokenizer', () => {
  test('adds special tokens and ignores the truncation and padding of the file', () => {
    expect(tokens('The cats sat, on a mat!')).toBe('[CLS] the cat ##s sat , on a mat ! [SEP]')
    expect(tokens('')).toBe('[CLS] [SEP]')
    expect(tokens('the [MASK] sat')).toBe('[CLS] the [MASK] sat [SEP]')
  })

  test('splits Chinese characters of every plane', () => {
    expect(tokens('cat中dog')).toBe('[CLS] cat 中 dog [SEP]')
    expect(tokens('cat𠀀𠀀dog')).toBe('[CLS] cat 𠀀 𠀀 dog [SEP]')
  })

  test('leaves the higher planes alone where the normaliser does not split Chinese', () => {
    const json = tinyTokenizerJson()
    const normalizer = { ...json.normalizer, handle_chinese_chars: false }
    const plain = createTokenizer(JSON.stringify({ ...json, normalizer }), 'plain')
    expect(plain.encode('cat𠀀dog', RIGHT).ids).toEqual([2, 1, 3])
  })

  test('takes NUL bytes as text and refuses lone surrogates', () => {
    expect(tokens('cat\u0000 dog')).toBe('[CLS] cat dog [SEP]')
    expect(() => tokens('cat \ud800')).toThrow(/lone surrogate/)
  })

  test('cuts at either end and keeps the special tokens', () => {
    const text = 'the cat sat on a mat'
    expect(tokens(text, { maxTokens: 5 })).toBe('[CLS] the cat sat [SEP]')
    const left = { maxTokens: 5, truncationDirection: 'left' } as const
    expect(tokens(text, left)).toBe('[CLS] on a mat [SEP]')
    expect(tiny.encode(text, { ...RIGHT, maxTokens: 8 }).truncated).toBe(false)
    expect(tiny.encode(text, { ...RIGHT, maxTokens: 7 }).truncated).toBe(true)
    expect(() => tokens(text, { maxTokens: 7, truncate: false })).toThrow(
      expect.objectContaining({ code: 'input_too_long' }),
    )
  })

  test('reads no more of a long text than it needs, with the same result', () => {
    const piece = fc.constantFrom(
      'cat',
      'sat ',
      ' ',
      '\n',
      'cats',
      ',',
      '中',
      '𠀀 ',
      'xyz',
      '[SEP]',
    )
    const long = fc.array(piece, { minLength: 1, maxLength: 400 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(long, fc.integer({ min: 2, max: 12 }), fc.boolean(), (text, maxTokens, right) => {
        const whole = tiny.encode(text, RIGHT).ids.slice(1, -1)
        const truncationDirection = right ? 'right' : 'left'
        const cut = tiny.encode(text, { maxTokens, truncate: true, truncationDirection })
        const budget = maxTokens - 2
        const from = right ? 0 : Math.max(0, whole.length - budget)
        expect(cut.ids.slice(1, -1)).toEqual(whole.slice(from, from + budget))
        expect(cut.truncated).toBe(whole.length > budget)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('reads no more of a long text of Chinese characters than it needs, with the same result', () => {
    const piece = fc.constantFrom('中', '文', '𠀀', 'cat', 'xyz', 'é', '\u0301', '、', 'Σ', '[SEP]')
    const long = fc.array(piece, { minLength: 1, maxLength: 400 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(long, fc.integer({ min: 2, max: 12 }), fc.boolean(), (text, maxTokens, right) => {
        const whole = tiny.encode(text, RIGHT).ids.slice(1, -1)
        const truncationDirection = right ? 'right' : 'left'
        const cut = tiny.encode(text, { maxTokens, truncate: true, truncationDirection })
        const budget = maxTokens - 2
        const from = right ? 0 : Math.max(0, whole.length - budget)
        expect(cut.ids.slice(1, -1)).toEqual(whole.slice(from, from + budget))
        expect(cut.truncated).toBe(whole.length > budget)
      }),
      { seed: 3, numRuns: 500 },
    )
  })

  test('takes the id of an added token where the vocabulary has another', () => {
    const json = tinyTokenizerJson()
    const added_tokens = [...json.added_tokens, { id: 40, content: 'cat', special: false }]
    const moved = createTokenizer(JSON.stringify({ ...json, added_tokens }), 'moved')
    expect(moved.encode('the cat', RIGHT).ids).toEqual([2, 5, 40, 3])
  })

  test('copes with a long text without any break', () => {
    const { ids } = tiny.encode('x'.repeat(2_000_000), { ...RIGHT, maxTokens: 16 })
    expect(ids).toEqual([2, 1, 3])
  })
})

describe('a malformed tokenizer file', () => {
  const json = JSON.stringify(tinyTokenizerJson())

  test.each([
    ['not JSON', '{"model":'],
    ['an array', '[]'],
    ['no model', '{"added_tokens": []}'],
    [
      'a vocabulary of strings',
      JSON.stringify({ ...tinyTokenizerJson(), model: { vocab: { a: 'b' } } }),
    ],
    ['an id beyond any vocabulary', json.replace('"cat":6', '"cat":4000000000')],
    ['an unknown model', json.replaceAll('"WordPiece"', '"Nonsense"')],
    ['an unknown normaliser', json.replace('"BertNormalizer"', '"Nonsense"')],
  ])('is refused with its name: %s', (_, text) => {
    expect(() => createTokenizer(text, 'folder/tokenizer.json')).toThrow(
      expect.objectContaining({
        code: 'invalid_model_file',
        message: expect.stringContaining('folder/tokenizer.json'),
      }),
    )
  })

  test('never crashes: random damage either loads or is refused', () => {
    const damage = fc.tuple(fc.nat(json.length - 1), fc.nat(40), fc.string({ maxLength: 12 }))
    fc.assert(
      fc.property(damage, ([at, length, insert]) => {
        const broken = json.slice(0, at) + insert + json.slice(at + length)
        try {
          createTokenizer(broken, 'file').encode('the cat 中', RIGHT)
        } catch (error) {
          const known =
            isEspalierError(error, 'invalid_model_file') ||
            isEspalierError(error, 'invalid_request')
          if (!known) throw error
        }
      }),
      { seed: 2, numRuns: 400 },
    )
  })

  test('is refused when it is missing or larger than 64 MiB', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))
    const path = join(folder, 'tokenizer.json')
    await expect(loadTokenizer(path)).rejects.toMatchObject({ code: 'invalid_model_file' })
    await writeFile(path, '')
    await truncate(path, 64 * 1024 * 1024 + 1)
    await expect(loadTokenizer(path)).rejects.toThrow(/at most 67108864/)
    await rm(folder, { recursive: true })
  })
})

interface Golden {
  readonly text: string
  readonly ids: readonly number[]
  readonly token_count: number
}

const goldens = sharedPath('goldens', 'all-MiniLM-L6-v2.json')
const file = sharedPath('models', 'all-MiniLM-L6-v2', 'tokenizer.json')

test.skipIf(!goldens || !file)('agrees with the reference ids (needs ../shared)', async () => {
  const { items } = JSON.parse(readFileSync(goldens as string, 'utf8')) as { items: Golden[] }
  const tokenizer = await loadTokenizer(file as string)
  for (const { text, ids, token_count } of items) {
    const found = tokenizer.encode(text, RIGHT).ids
    expect(found).toHaveLength(token_count)
    expect(found.slice(0, ids.length)).toEqual(ids)
  }
})
