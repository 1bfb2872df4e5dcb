import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRounding, encodeRounding } from '../../../shared/exporter/int8/rounding-code.ts'

/** Values with one of their two neighbours each. */
const roundings = fc
  .array(
    fc.record({
      value: fc.oneof(
        fc.double({ min: -63, max: 62.9, noNaN: true }),
        fc.integer({ min: -126, max: 124 }).map((half) => half / 2),
      ),
      up: fc.boolean(),
    }),
    { maxLength: 2000 },
  )
  .map((entries) => ({
    values: Float64Array.from(entries, ({ value }) => value),
    rounded: Int8Array.from(entries, ({ value, up }) => Math.floor(value) + (up ? 1 : 0)),
  }))

describe('the code of a rounding', () => {
  it('gives back every choice between neighbours', () => {
    fc.assert(
      fc.property(roundings, ({ values, rounded }) => {
        expect(decodeRounding(values, encodeRounding(values, rounded))).toEqual(rounded)
      }),
      { numRuns: 300, seed: 3 },
    )
  })

  it('bridges gaps of any length', () => {
    for (const gap of [0, 1, 253, 254, 255, 256, 509, 510, 511, 5000]) {
      const values = new Float64Array(gap + 1).fill(0.25)
      const rounded = new Int8Array(gap + 1)
      rounded[gap] = 1
      expect(decodeRounding(values, encodeRounding(values, rounded))).toEqual(rounded)
    }
  })

  it('takes under a bit an element where one in six differs', () => {
    const values = new Float64Array(60_000).fill(0.25)
    const rounded = Int8Array.from(values, (_, i) => ((i * 7919) % 6 === 0 ? 1 : 0))
    expect(encodeRounding(values, rounded).length * 6).toBeLessThan(60_000)
  })

  it('refuses a code for another size, and what is no code', () => {
    const values = new Float64Array(1000).fill(0.25)
    const code = encodeRounding(values, new Int8Array(1000).fill(1))
    for (const wrong of [code.slice(0, -8), 'AAAA', '']) {
      expect(() => decodeRounding(values, wrong)).toThrow('calibration.json: a rounding')
    }
    expect(() => decodeRounding(values.subarray(1), code)).toThrow('calibration.json: a rounding')
  })
})
