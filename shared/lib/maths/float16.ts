/** Conversions between float32 numbers and the 16-bit formats that weights are stored in. */

const scratch = () => {
  const buffer = new ArrayBuffer(4)
  return { float: new Float32Array(buffer), bits: new Uint32Array(buffer) }
}

/** Decodes IEEE 754 half-precision bits; exact. */
export function decodeFloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length)
  const result = new Float32Array(words.buffer)
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i] as number
    const sign = (half & 0x8000) << 16
    const exponent = half & 0x7c00
    const fraction = (half & 0x3ff) << 13
    if (exponent === 0) result[i] = (sign === 0 ? 1 : -1) * (half & 0x3ff) * 2 ** -24
    else if (exponent === 0x7c00) words[i] = sign | 0x7f800000 | fraction
    else words[i] = sign | ((exponent << 13) + 0x38000000) | fraction
  }
  return result
}

/** Decodes bfloat16 bits, the upper half of a float32; exact. */
export function decodeBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16
  return new Float32Array(words.buffer)
}

/** Encodes as half precision, rounding to nearest even; values beyond ±65,504 become infinite. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const { float, bits } = scratch()
  const result = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i] as number
    result[i] = halfBits(bits[0] as number)
  }
  return result
}

function halfBits(word: number): number {
  const sign = (word >>> 16) & 0x8000
  const exponent = (word >>> 23) & 0xff
  const fraction = word & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0)
  const shifted = exponent - 112
  if (shifted >= 31) return sign | 0x7c00
  if (shifted <= 0) {
    if (shifted < -10) return sign
    return sign | roundShift(fraction | 0x800000, 14 - shifted)
  }
  // A carry out of the fraction runs into the exponent, which is what rounding up means.
  return sign | ((shifted << 10) + roundShift(fraction, 13))
}

function roundShift(value: number, shift: number): number {
  const kept = value >>> shift
  const rest = value & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0)
}
