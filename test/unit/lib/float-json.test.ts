import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FloatJsonWriter } from '../../../shared/lib/json/float-json.ts'

function write(values: Float32Array): string {
  const writer = new FloatJsonWriter(16)
  writer.floats(values)
  return writer.take().toString('utf8')
}

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true })

describe('FloatJsonWriter', () => {
  it('brings back every float32 bit for bit', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, noDefaultInfinity: true }), (values) => {
        const back = Float32Array.from(JSON.parse(write(values)) as number[])
        expect(Buffer.from(back.buffer).equals(Buffer.from(values.slice().buffer))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('writes the value of toPrecision(9)', () => {
    const embeddingLike = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((bits) => {
      // Exponents of numbers between 1e-9 and 8, where embeddings live.
      const exponent = 97 + (bits % 33)
      const raw = new Uint32Array([(bits & 0x807fffff) | (exponent << 23)])
      return new Float32Array(raw.buffer)[0]!
    })
    fc.assert(
      fc.property(fc.oneof(float32, embeddingLike), (value) => {
        const [back] = JSON.parse(write(Float32Array.of(value))) as [number]
        expect(back + 0).toBe(Number(value.toPrecision(9)) + 0)
      }),
      { numRuns: 20_000 },
    )
  })

  it.each([
    [0, '0'],
    [-0, '-0'],
    [0.5, '0.5'],
    [-0.25, '-0.25'],
    [1, '1'],
    [0.1, '0.100000001'],
    [1e-6, '9.99999997e-7'],
    [0.99999994, '0.99999994'],
    [3.4028234663852886e38, '3.40282347e+38'],
    [1e-45, '1.40129846e-45'],
    [-123456792, '-123456792'],
    [9.99999879e20, '999999879000000000000'],
  ])('writes %d as %s', (value, expected) => {
    expect(write(Float32Array.of(value))).toBe(`[${expected}]`)
  })

  it('counts the zeros after the point on both sides of every power of ten', () => {
    for (let exponent = 1; exponent <= 9; exponent++) {
      const bits = new Int32Array(Float32Array.of(10 ** -exponent).buffer)
      const values = [-2, -1, 0, 1, 2].map((step) => {
        return new Float32Array(Int32Array.of(bits[0]! + step).buffer)[0]!
      })
      const expected = values.map((value) => Number(value.toPrecision(9)))
      expect(JSON.parse(write(Float32Array.from(values)))).toEqual(expected)
    }
  })

  it('refuses what JSON cannot express', () => {
    expect(() => write(Float32Array.of(Number.NaN))).toThrow('NaN')
    expect(() => write(Float32Array.of(-Infinity))).toThrow('-Infinity')
  })

  it('lends its own memory, and takes it back with the next text', () => {
    const writer = new FloatJsonWriter(16)
    writer.text('[1]')
    const lent = writer.drain()
    expect(lent.toString('utf8')).toBe('[1]')
    expect(writer.length).toBe(0)
    writer.text('[2]')
    expect(lent.toString('utf8')).toBe('[2]')
  })

  it('joins text and numbers, and starts anew after take', () => {
    const writer = new FloatJsonWriter(4)
    writer.text('{"é":')
    writer.floats(Float32Array.of(1, -2))
    writer.text('}')
    expect(writer.take().toString('utf8')).toBe('{"é":[1,-2]}')
    expect(writer.length).toBe(0)
    writer.floats(new Float32Array(0))
    expect(writer.take().toString('utf8')).toBe('[]')
  })
})
