import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTokenizer } from '../../../shared/runtime/text/tokenizer.ts'

const WHOLE = { maxTokens: 1_000_000, truncate: true, truncationDirection: 'right' } as const

/** Few characters, so that pieces meet in texts: marks, a sign of two UTF-16 units, and one that no piece has. */
const character = fc.constantFrom('a', 'b', 'c', '▁', 'é', '中', '😀', '😁', '\u0301')
const piece = fc.string({ unit: character, minLength: 1, maxLength: 5 })
const text = fc.string({ unit: fc.oneof(character, fc.constantFrom(' ', 'z', '𝟙')), maxLength: 30 })
const files = fc
  .record({
    pieces: fc.array(fc.tuple(piece, fc.integer({ min: -20, max: -1 })), { maxLength: 40 }),
    unknownAt: fc.nat(3),
    added: fc.array(piece, { maxLength: 2 }),
    normalized: fc.boolean(),
  })
  .map(({ pieces, unknownAt, added, normalized }) => {
    const unknown = Math.min(unknownAt, pieces.length)
    const vocab: [string, number][] = [
      ...pieces.slice(0, unknown),
      ['<unk>', 0],
      ['a', -3],
      ...pieces.slice(unknown),
    ]
    const common = { single_word: false, lstrip: false, rstrip: false, special: false, normalized }
    const own = added.map((content) => {
      const at = vocab.findIndex(([known]) => known === content)
      return { ...common, content, id: at === -1 ? vocab.length + content.length : at }
    })
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [{ ...common, special: true, content: '<unk>', id: unknown }, ...own],
      normalizer: null,
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
      post_processor: null,
      decoder: null,
      model: { type: 'Unigram', unk_id: unknown, vocab },
    }
  })

describe('a Unigram vocabulary', () => {
  it('gives the ids that the library finds with its own tree of pieces', () => {
    fc.assert(
      fc.property(files, fc.array(text, { minLength: 1, maxLength: 5 }), (file, texts) => {
        const library: { encode(input: string): { ids: number[] } } = new LibraryTokenizer(
          structuredClone(file),
          {},
        )
        const tokenizer = createTokenizer(JSON.stringify(file), 'file')
        expect(tokenizer.unknownId).toBe(file.model.unk_id)
        for (const input of texts) {
          expect(tokenizer.encode(input, WHOLE).ids).toEqual(library.encode(input).ids)
        }
      }),
      { numRuns: 200, seed: 8 },
    )
  })

  it.each([
    ['a piece without a score', [['a', -1], ['<unk>']], 1],
    [
      'a piece that is a number',
      [
        ['a', -1],
        [5, -2],
      ],
      0,
    ],
    ['an unknown piece beyond its end', [['a', -1]], 7],
    ['no piece', [], 0],
  ])('with %s is refused or left to the library, never half read', (_what, vocab, unknown) => {
    const json = JSON.stringify({
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: { type: 'Unigram', unk_id: unknown, vocab },
    })
    try {
      expect(createTokenizer(json, 'file').encode('a', WHOLE).ids).toEqual([0])
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_model_file' })
    }
  })
})
