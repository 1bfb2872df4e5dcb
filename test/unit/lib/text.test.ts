import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearestName } from '../../../shared/lib/text/nearest.ts'
import { findLoneSurrogate, isLongerThanBytes, quote } from '../../../shared/lib/text/text.ts'

describe('findLoneSurrogate', () => {
  it.each([
    ['plain', -1],
    ['a\u0000b', -1],
    ['😀', -1],
    ['a\ud800', 1],
    ['\udc00', 0],
    ['😀\ud83d', 2],
  ])('looks at %j', (text, expected) => {
    expect(findLoneSurrogate(text)).toBe(expected)
  })
})

describe('isLongerThanBytes', () => {
  it('equals the length in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(60), (text, limit) => {
        expect(isLongerThanBytes(text, limit)).toBe(Buffer.byteLength(text) > limit)
      }),
    )
  })
})

describe('nearestName', () => {
  it('finds a slip and no more', () => {
    expect(nearestName('champoin', ['challenger', 'champion'])).toBe('champion')
    expect(nearestName('zebra', ['challenger', 'champion'])).toBeNull()
    expect(nearestName('x'.repeat(1e6), ['x'])).toBeNull()
  })
})

describe('quote', () => {
  it('escapes and cuts', () => {
    expect(quote('a"\n')).toBe('"a\\"\\n"')
    expect(quote('abcdef', 3)).toBe('"abc…"')
  })
})
