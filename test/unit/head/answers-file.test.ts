import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAnswers, encodeAnswers } from '../../../shared/head/answers.ts'

const head = { labels: ['a', 'b', 'c'] }
const reference = {
  source: 'test' as const,
  rows: 10,
  labels: [5, 3, 2],
  none: 0,
  scores: [0, 0, 4, 6],
  scoreSum: 8.5,
  inDistribution: { rows: 10, inside: 9 },
}
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe('the file of answers', () => {
  it('gives back what was written, and is not written for nothing', () => {
    const bytes = encodeAnswers({ reference })!
    expect(decodeAnswers(bytes, head)).toEqual({ reference })
    expect(encodeAnswers({ reference })).toEqual(bytes)
    expect(encodeAnswers({})).toBeNull()
    expect(encodeAnswers({ reference: undefined })).toBeNull()
  })

  it('leaves alone what it does not know, and says nothing of a newer layout', () => {
    expect(decodeAnswers(bytesOf({ schema: 1, later: [1], reference }), head)).toEqual({
      reference,
    })
    expect(decodeAnswers(bytesOf({ schema: 2, reference: 'otherwise' }), head)).toEqual({
      unread: 2,
    })
  })

  it.each([
    ['no JSON', new Uint8Array([123, 255]), 'not JSON'],
    ['no object', bytesOf(null), '(root)'],
    ['no layout', bytesOf({ reference }), 'schema'],
    [
      'a count below zero',
      bytesOf({ schema: 1, reference: { ...reference, scores: [1, -1] } }),
      'reference.scores.1',
    ],
    [
      'another number of labels',
      bytesOf({ schema: 1, reference: { ...reference, labels: [1] } }),
      '1 counts for 3 labels',
    ],
  ])('is refused with %s', (_what, bytes, why) => {
    expect(() => decodeAnswers(bytes, head)).toThrow(
      expect.objectContaining({
        code: 'artifact_corrupt',
        message: expect.stringContaining(`answers file: ${why}`),
      }),
    )
  })

  it('is read or refused, whatever its bytes', () => {
    const whole = encodeAnswers({ reference })!
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(whole)
        bytes[at] = value
        try {
          decodeAnswers(bytes, head)
        } catch (error) {
          expect(error).toMatchObject({ code: 'artifact_corrupt' })
        }
      }),
      { seed: 2, numRuns: 300 },
    )
  })
})
