import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHead } from '../../../shared/head/decode.ts'
import { encodeHead } from '../../../shared/head/encode.ts'
import type { Head } from '../../../shared/head/head.ts'
import { quantizeRows } from '../../../shared/head/neighbours.ts'
import { isEspalierError } from '../../../shared/lib/errors.ts'
import { spoilHead } from '../../fakes/heads.ts'

const full: Head = {
  family: 'ab'.repeat(32),
  dimension: 3,
  labels: ['card arrival', 'Überweisung', '退款'],
  activation: 'softmax',
  weights: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
  bias: Float32Array.of(0.1, -0.2, 0.3),
  temperature: 0.5,
  memory: {
    ...quantizeRows(Float32Array.of(1, 0, 0, 0, 0.6, 0.8), 3),
    labels: Int32Array.of(2, 0),
    k: 5,
    temperature: 0.05,
    weight: 0.3,
  },
  adjustment: Float32Array.of(0, 1, 2),
  thresholds: null,
  detector: {
    projection: Float32Array.of(1, 0, 0, 0, 1, 0),
    offset: Float32Array.of(0.5, -0.5),
    means: Float32Array.of(0, 0, 1, 1, 2, 2),
    background: Float32Array.of(0.1, 0.2),
    threshold: 3.25,
  },
}
const plain: Head = {
  ...full,
  activation: 'sigmoid',
  memory: null,
  adjustment: null,
  thresholds: Float32Array.of(0.5, 0.25, 0.75),
  detector: null,
}

describe('head file', () => {
  it.each([
    ['with everything', full],
    ['of sigmoids', plain],
  ])('gives back a head %s', (_what, head) => {
    const bytes = encodeHead(head)
    expect(decodeHead(bytes)).toEqual(head)
    expect(encodeHead(decodeHead(bytes))).toEqual(bytes)
  })

  it('reads from any place in a larger buffer', () => {
    const bytes = encodeHead(full)
    const shifted = new Uint8Array(bytes.length + 7)
    shifted.set(bytes, 3)
    expect(decodeHead(shifted.subarray(3, 3 + bytes.length))).toEqual(full)
  })

  it('refuses every shorter file, and a longer one', () => {
    const bytes = encodeHead(full)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeHead(bytes.subarray(0, length))).toThrow(/^head file: /)
    }
    const longer = new Uint8Array(bytes.length + 1)
    longer.set(bytes)
    expect(() => decodeHead(longer)).toThrow(/after the last block/)
  })

  it('keeps how long texts are read, in a layout that older releases refuse', () => {
    const reading = { truncationDirection: 'left', windows: 'max' } as const
    const bytes = encodeHead({ ...full, reading })
    expect(bytes[4]).toBe(2)
    expect(decodeHead(bytes)).toEqual({ ...full, reading })
    expect(encodeHead(full)[4]).toBe(1)
  })

  it('names the layout that it does not know', () => {
    const bytes = encodeHead(full)
    bytes[4] = 9
    expect(() => decodeHead(bytes)).toThrow(/layout 9 is not known/)
  })

  it.each([
    ['a label index out of range', { memory: { ...full.memory!, labels: Int32Array.of(3, 0) } }],
    ['too few weights', { weights: Float32Array.of(1, 2, 3) }],
    ['a temperature of zero', { temperature: 0 }],
    ['two equal labels', { labels: ['a', 'b', 'a'] }],
    ['a memory beside sigmoids', { activation: 'sigmoid' as const }],
    ['means that do not fit', { detector: { ...full.detector!, means: Float32Array.of(1) } }],
  ])('refuses %s', (_what, change) => {
    expect(() => decodeHead(encodeHead({ ...full, ...change }))).toThrow(/^head file: /)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1e20])(
    'neither reads nor writes the weight %d',
    (weight) => {
      expect(() => decodeHead(spoilHead(full, weight))).toThrow(
        `head file: block weights holds the number ${Math.fround(weight)}`,
      )
      const weights = Float32Array.from(full.weights)
      weights[1] = weight
      expect(() => encodeHead({ ...full, weights })).toThrow(
        `the head cannot be used: its weights holds the number ${Math.fround(weight)}`,
      )
    },
  )

  it('writes no number that a reader would refuse', () => {
    const odd = Float32Array.of(0, Number.NaN, 0)
    const detector = full.detector!
    const changes: Partial<Head>[] = [
      { bias: odd },
      { adjustment: odd },
      { thresholds: odd },
      { temperature: Number.NaN },
      { memory: { ...full.memory!, scales: Float32Array.of(1, Number.NaN) } },
      { memory: { ...full.memory!, temperature: Number.POSITIVE_INFINITY } },
      { detector: { ...detector, projection: detector.projection.map(() => 1e10) } },
      { detector: { ...detector, threshold: Number.NaN } },
    ]
    for (const change of changes) {
      expect(() => encodeHead({ ...full, ...change })).toThrow(
        expect.objectContaining({ code: 'invalid_data' }),
      )
    }
  })

  it('never fails in another way, whatever bytes change', () => {
    const bytes = encodeHead(full)
    const change = fc.record({
      at: fc.nat(bytes.length - 1),
      value: fc.nat(255),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(20), (changes, cut) => {
        const mutated = bytes.slice(0, bytes.length - cut)
        for (const { at, value } of changes) if (at < mutated.length) mutated[at] = value
        try {
          const head = decodeHead(mutated)
          expect(head.weights).toHaveLength(head.labels.length * head.dimension)
        } catch (error) {
          const known =
            isEspalierError(error, 'artifact_corrupt') ||
            isEspalierError(error, 'unsupported_schema')
          if (!known) throw error
        }
      }),
      { numRuns: 2000, seed: 11 },
    )
  })
})
