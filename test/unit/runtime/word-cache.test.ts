import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokenizer } from '../../../shared/runtime/text/tokenizer.ts'
import { createLibrary, parseTokenizerJson } from '../../../shared/runtime/text/tokenizer-file.ts'

const RIGHT = { maxTokens: 1_000_000, truncate: true, truncationDirection: 'right' } as const
const url = new URL('../../../infra/models/all-MiniLM-L6-v2/tokenizer.json', import.meta.url)
const json = readFileSync(url, 'utf8')

/** The same file with another normaliser, as tokenizer and as the library alone. */
function open(changes: object = {}) {
  const config = JSON.parse(json)
  const text = JSON.stringify({ ...config, normalizer: { ...config.normalizer, ...changes } })
  const library = createLibrary(parseTokenizerJson(text, 'test'), 'test')
  return {
    ours: createTokenizer(text, 'test'),
    theirs: (input: string) => library.encode(input).ids,
  }
}

const pieces = fc.oneof(
  fc.string({ unit: 'binary-ascii' }),
  fc.constantFrom('the ', "don't", 'U.S.A.', 'e-mail', '\r\n', '\t', '  ', '#hash', 'naïve ', '中'),
  fc.constantFrom('[SEP]', '[cls]', '[MASK', 'x'.repeat(45), 'tokenization ', '3.14', 'ＡＢ', 'İ'),
)
const texts = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''))

describe('remembered words', () => {
  test.each([{}, { lowercase: false }, { clean_text: false }, { strip_accents: false }])(
    'give the tokens that the library gives, the first time and again: %j',
    (changes) => {
      const { ours, theirs } = open(changes)
      fc.assert(
        fc.property(texts, (text) => {
          const expected = theirs(text)
          expect(ours.encode(text, RIGHT).ids).toEqual(expected)
          expect(ours.encode(text, RIGHT).ids).toEqual(expected)
        }),
        { numRuns: 400 },
      )
    },
  )

  test('stay bounded: more different words than are kept', () => {
    const { ours, theirs } = open()
    for (let i = 0; i < 20_000; i += 16) {
      const text = Array.from({ length: 16 }, (_, j) => `w${(i + j).toString(36)}`).join(' ')
      expect(ours.encode(text, RIGHT).ids).toEqual(theirs(text))
    }
  })
})
