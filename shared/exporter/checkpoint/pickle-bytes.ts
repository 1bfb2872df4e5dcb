import type { Fail } from './tensor-file.ts'

/** No module and name of Python are longer. */
const MAX_LINE_BYTES = 1000

/** The bytes of a pickle, taken from the front; every length is checked before it is used. */
export class PickleBytes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #fail: Fail
  #at: number

  constructor(bytes: Uint8Array, start: number, fail: Fail) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = start
    this.#fail = fail
  }

  get position(): number {
    return this.#at
  }

  /** Passes over some bytes; returns where they begin. */
  take(count: number): number {
    const from = this.#at
    if (count > this.#bytes.length - from) this.#fail('its pickle ends too soon')
    this.#at += count
    return from
  }

  byte(): number {
    return this.#view.getUint8(this.take(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.take(2), true)
  }

  int32(): number {
    return this.#view.getInt32(this.take(4), true)
  }

  uint32(): number {
    return this.#view.getUint32(this.take(4), true)
  }

  /** Big-endian, unlike all others. */
  float64(): number {
    return this.#view.getFloat64(this.take(8), false)
  }

  text(length: number): string {
    const from = this.take(length)
    return new TextDecoder().decode(this.#bytes.subarray(from, from + length))
  }

  /** A text that ends with its line. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at)
    if (end < 0 || end - this.#at > MAX_LINE_BYTES) {
      this.#fail('its pickle has a name without an end')
    }
    const text = this.text(end - this.#at)
    this.take(1)
    return text
  }

  /** Little-endian two's complement of a stated length; as a number where it fits. */
  long(): number | bigint {
    const length = this.byte()
    const from = this.take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[from + i] ?? 0)
    const signed = length === 0 ? 0n : BigInt.asIntN(8 * length, value)
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
  }
}
