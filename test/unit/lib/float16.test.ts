import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBfloat16, decodeFloat16, encodeFloat16 } from '../../../shared/lib/maths/float16.ts'

describe('float16', () => {
  // IEEE 754-2008, binary16: bit patterns and values of its reference tables.
  it.each([
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x3c01, 1.0009765625],
    [0xc000, -2],
    [0x7bff, 65_504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])('decodes 0x%s', (bits, value) => {
    expect(decodeFloat16(Uint16Array.of(bits))[0]).toBe(value)
    expect(encodeFloat16(Float32Array.of(value))[0]).toBe(bits)
  })

  it('encodes what it decodes, for every bit pattern of a number', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const values = decodeFloat16(bits)
    const back = encodeFloat16(values)
    for (const pattern of bits) {
      if (!Number.isNaN(values[pattern])) expect(back[pattern]).toBe(pattern)
    }
  })

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65_504, max: 65_504 }), (value) => {
        const bits = encodeFloat16(Float32Array.of(value))[0] as number
        const near = (step: number) => decodeFloat16(Uint16Array.of(bits + step))[0] as number
        const error = Math.abs(near(0) - value)
        for (const step of [-1, 1]) {
          if ((bits & 0x7fff) + step < 0 || (bits & 0x7fff) + step > 0x7bff) continue
          const other = Math.abs(near(step) - value)
          expect(error < other || (error === other && (bits & 1) === 0)).toBe(true)
        }
      }),
    )
  })

  it('widens bfloat16 by its upper half', () => {
    expect([...decodeBfloat16(Uint16Array.of(0x3f80, 0xc020))]).toEqual([1, -2.5])
  })
})
