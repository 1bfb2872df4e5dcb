/**
 * Writes float32 numbers as JSON with 9 significant digits, the fewest that bring back every float32
 * bit for bit. The value is that of `Number(x.toPrecision(9))` at several times its speed, so that a
 * row of 384 numbers costs microseconds and a caller may pause between rows.
 */

/** Longest form: 21 digits below 1e21, a sign and the comma. The fast way also writes some bytes ahead. */
const MAX_NUMBER_BYTES = 24
const ZERO = 0x30
const COMMA = 0x2c
const MINUS = 0x2d

/** From 1e-6 up to 1 numbers are written the fast way: with at most so many zeros after the point. */
const MAX_ZEROS = 5
/** What moves nine digits before the point, by the zeros after it; exact as doubles. */
const SCALES = Float64Array.from({ length: MAX_ZEROS + 1 }, (_, zeros) => Number(`1e${9 + zeros}`))
/** Closer than this to half a unit, scaling could round the wrong way; its error is below 1.2e-7. */
const TIE_MARGIN = 1e-6
const MAX_REMAINDER = 0.5 - TIE_MARGIN
/** Four characters as one little-endian word: `0.00`, `0000`, and the digits of 0 to 9999. */
const POINT_WORD = wordOf('0.00')
const ZEROS_WORD = wordOf('0000')
const DIGIT_WORDS = Int32Array.from({ length: 10_000 }, (_, i) => wordOf(`000${i}`.slice(-4)))
/**
 * By the exponent's bits: zeros after the point of the largest number that has it, beyond `MAX_ZEROS` where none is
 * written the fast way; and the bits of the least number with so few, below which there is one more.
 */
const [ZEROS, LEAST_BITS] = tabulateExponents()

/** Collects JSON in one growing buffer. */
export class FloatJsonWriter {
  #bytes: Buffer
  #view: DataView
  #length = 0

  constructor(capacityBytes = 16_384) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes)
    this.#view = viewOf(this.#bytes)
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#length
  }

  /** Adds text as it is, in UTF-8. */
  text(text: string): void {
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  /**
   * Adds `[…]` with the numbers of `values`.
   * @throws RangeError on a number that JSON cannot express
   */
  floats(values: Float32Array): void {
    this.#reserve(values.length * MAX_NUMBER_BYTES + 2)
    this.#length = writeNumbers(this.#bytes, this.#view, this.#length, values)
  }

  /** Hands over what was written and starts anew. */
  take(): Buffer<ArrayBuffer> {
    return Buffer.from(this.drain())
  }

  /** The same without a copy: good until something else is written. */
  drain(): Buffer {
    const written = this.#bytes.subarray(0, this.#length)
    this.#length = 0
    return written
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
    this.#view = viewOf(grown)
  }
}

/** Writes `[…]` at `at` and returns where the next byte goes. Nothing here depends on the digits but rare branches. */
function writeNumbers(bytes: Buffer, view: DataView, start: number, values: Float32Array): number {
  const count = values.length
  const bits = new Int32Array(values.buffer, values.byteOffset, count)
  let at = start
  bytes[at++] = 0x5b
  for (let i = 0; i < count; i++) {
    const raw = bits[i]!
    const magnitude = raw & 0x7fffffff
    const exponent = magnitude >>> 23
    const zeros = ZEROS[exponent]! + ((magnitude - LEAST_BITS[exponent]!) >>> 31)
    let digits = 0
    let remainder = 1
    if (zeros <= MAX_ZEROS) {
      const scaled = Math.abs(values[i]!) * SCALES[zeros]!
      digits = (scaled + 0.5) | 0
      remainder = Math.abs(scaled - digits)
    }
    if (remainder > MAX_REMAINDER || digits > 999_999_999) {
      at = writeSlowly(bytes, at, values[i]!)
    } else {
      bytes[at] = MINUS
      at += raw >>> 31
      view.setInt32(at, POINT_WORD, true)
      view.setInt32(at + 4, ZEROS_WORD, true)
      at = writeDigits(bytes, view, at + 2 + zeros, digits)
    }
    bytes[at++] = COMMA
  }
  bytes[count > 0 ? at - 1 : at++] = 0x5d
  return at
}

/** Writes nine digits without the zeros at their end. */
function writeDigits(bytes: Buffer, view: DataView, start: number, digits: number): number {
  const high = (digits / 10_000) | 0
  const first = (high / 10_000) | 0
  bytes[start] = ZERO + first
  view.setInt32(start + 1, DIGIT_WORDS[high - first * 10_000]!, true)
  view.setInt32(start + 5, DIGIT_WORDS[digits - high * 10_000]!, true)
  let at = start + 9
  while (bytes[at - 1] === ZERO) at--
  return at
}

function writeSlowly(bytes: Buffer, at: number, value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`JSON has no form for ${value}`)
  const text = Object.is(value, -0) ? '-0' : String(Number(value.toPrecision(9)))
  return at + bytes.write(text, at, 'latin1')
}

function tabulateExponents(): readonly [Int32Array, Int32Array] {
  const zeros = new Int32Array(256).fill(MAX_ZEROS + 1)
  const least = new Int32Array(256)
  const bits = new Int32Array(1)
  const value = new Float32Array(bits.buffer)
  const zerosOf = (number: number): number => {
    let found = 0
    while (number < Number(`1e-${found + 1}`)) found++
    return found
  }
  for (let exponent = 0; exponent < 127; exponent++) {
    bits[0] = ((exponent + 1) << 23) - 1
    const fewest = zerosOf(value[0]!)
    if (fewest > MAX_ZEROS) continue
    zeros[exponent] = fewest
    const power = Number(`1e-${fewest + 1}`)
    value[0] = power
    // The power itself lies between two float32 numbers.
    least[exponent] = value[0]! < power ? bits[0]! + 1 : bits[0]!
  }
  return [zeros, least]
}

function wordOf(characters: string): number {
  return Buffer.from(characters, 'latin1').readInt32LE()
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}
