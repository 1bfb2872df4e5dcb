import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCharsmap } from '../../../shared/runtime/text/charsmap.ts'
import { createTokenizer } from '../../../shared/runtime/text/tokenizer.ts'

interface Golden {
  readonly charsmap: string
  readonly texts: readonly string[]
  /** Each as the text of a tokenizer.json. */
  readonly tokenizers: Readonly<Record<string, string>>
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>
}

const golden: Golden = JSON.parse(
  gunzipSync(readFileSync(new URL('../../golden/tokenizers.json.gz', import.meta.url))).toString(),
)
const WHOLE = { maxTokens: 1_000_000, truncate: true, truncationDirection: 'right' } as const

describe('ids are those of Hugging Face', () => {
  test.each(Object.entries(golden.tokenizers))('%s', (name, file) => {
    const tokenizer = createTokenizer(file.replaceAll('CHARSMAP', golden.charsmap), name)
    const found = golden.texts.map((text) => [text, tokenizer.encode(text, WHOLE).ids])
    expect(found).toEqual(golden.texts.map((text, i) => [text, golden.ids[name]![i]]))
  })
})

describe('a character map', () => {
  const normalize = createCharsmap(golden.charsmap, 'map')

  test('replaces a grapheme of few bytes by what its head becomes, others by character', () => {
    expect(normalize('ﬁ\u0301')).toBe('fi')
    expect(normalize('ｶﾞ')).toBe('カ\u3099')
    expect(normalize('\r\n')).toBe(' ')
    expect(normalize('plain text')).toBe('plain text')
  })

  test.each([
    ['nothing', ''],
    ['no room for its first number', 'AAA='],
    ['a length beyond its end', Buffer.from([255, 255, 255, 127]).toString('base64')],
    ['half a number', Buffer.from([6, 0, 0, 0, 1, 2, 3, 4, 5, 6]).toString('base64')],
  ])('of %s is refused', (_what, map) => {
    expect(() => createCharsmap(map, 'file.json')).toThrow(
      expect.objectContaining({
        code: 'invalid_model_file',
        message: expect.stringMatching(/^file\.json: precompiled_charsmap: /),
      }),
    )
  })

  test('that is damaged makes some text or is refused', () => {
    const whole = Buffer.from(golden.charsmap, 'base64')
    const places = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1 })
    const text = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(places, text, (changes, input) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) bytes[at] = value
        try {
          expect(typeof createCharsmap(bytes.toString('base64'), 'map')(input)).toBe('string')
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_model_file' })
        }
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})
