/**
 * Writes float32 numbers as JSON with 9 significant digits, the fewest that bring back every float32
 * bit for bit. The value is that of `Number(x.toPrecision(9))` at several times its speed, so that a
 * row of 384 numbers costs microseconds and a caller may pause between rows.
 */

/** Longest form: 21 digits below 1e21, a sign and the comma. */
const MAX_NUMBER_BYTES = 24
const ZERO = 0x30
const COMMA = 0x2c
const DOT = 0x2e
const MINUS = 0x2d

/** Powers of ten that are exact as doubles. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
/** The digits of 0 to 999, three bytes each. */
const TRIPLES = Uint8Array.from({ length: 3000 }, (_, i) => {
  const number = Math.floor(i / 3)
  return (
    ZERO +
    (i % 3 === 0 ? Math.floor(number / 100) : Math.floor(number / (i % 3 === 1 ? 10 : 1)) % 10)
  )
})
/** Closer than this to half a unit, scaling could round the wrong way; its error is below 1.2e-7. */
const TIE_MARGIN = 1e-6

/** Collects JSON in one growing buffer. */
export class FloatJsonWriter {
  #bytes: Buffer
  #length = 0

  constructor(capacityBytes = 16_384) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes)
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
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = 0x5b
    for (let i = 0; i < values.length; i++) {
      if (i > 0) bytes[at++] = COMMA
      at = writeNumber(bytes, at, values[i]!)
    }
    bytes[at++] = 0x5d
    this.#length = at
  }

  /** Hands over what was written and starts anew. */
  take(): Buffer<ArrayBuffer> {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return taken
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

/** Writes one number at `at` and returns where the next byte goes. */
function writeNumber(bytes: Buffer, at: number, value: number): number {
  const magnitude = value < 0 ? -value : value
  if (!(magnitude >= 1e-6 && magnitude < 1)) return writeSlowly(bytes, at, value)
  let zeros = 0
  while (magnitude * POWERS[zeros + 1]! < 1) zeros++
  const scaled = magnitude * POWERS[9 + zeros]!
  const digits = Math.round(scaled)
  const fraction = scaled - Math.floor(scaled)
  if (digits > 999_999_999 || digits < 100_000_000 || Math.abs(fraction - 0.5) < TIE_MARGIN) {
    return writeSlowly(bytes, at, value)
  }
  if (value < 0) bytes[at++] = MINUS
  bytes[at++] = ZERO
  bytes[at++] = DOT
  for (let i = 0; i < zeros; i++) bytes[at++] = ZERO
  return writeDigits(bytes, at, digits | 0)
}

/** Writes nine digits without the zeros at their end. */
function writeDigits(bytes: Buffer, start: number, digits: number): number {
  let at = start
  const thousands = (digits / 1000) | 0
  const high = ((thousands / 1000) | 0) * 3
  const middle = (thousands % 1000) * 3
  const low = (digits % 1000) * 3
  bytes[at++] = TRIPLES[high]!
  bytes[at++] = TRIPLES[high + 1]!
  bytes[at++] = TRIPLES[high + 2]!
  bytes[at++] = TRIPLES[middle]!
  bytes[at++] = TRIPLES[middle + 1]!
  bytes[at++] = TRIPLES[middle + 2]!
  bytes[at++] = TRIPLES[low]!
  bytes[at++] = TRIPLES[low + 1]!
  bytes[at++] = TRIPLES[low + 2]!
  while (bytes[at - 1] === ZERO) at--
  return at
}

function writeSlowly(bytes: Buffer, at: number, value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`JSON has no form for ${value}`)
  const text = Object.is(value, -0) ? '-0' : String(Number(value.toPrecision(9)))
  return at + bytes.write(text, at, 'latin1')
}
