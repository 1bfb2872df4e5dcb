import { EspalierError } from '../lib/errors.ts'

/** Bytes of the longest varint: 64 bits in pieces of 7. */
const MAX_VARINT_BYTES = 10

const CONTROL = /\p{Control}/u

/** Wire types of protobuf; groups, 3 and 4, are as good as damage. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/**
 * Reads the fields of one protobuf message in turn. Every length is checked against the bytes before it is used;
 * what is read as bytes is a view, not a copy.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string
  readonly #kind: string
  #at = 0
  #wire = VARINT

  /** @param what how errors name the message @param kind what the file should be */
  constructor(bytes: Uint8Array, what: string, kind = 'an ONNX file') {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
    this.#kind = kind
  }

  /** The number of the next field, 0 at the end. @throws EspalierError `invalid_model_file` */
  next(): number {
    if (this.#at === this.#bytes.length) return 0
    const tag = this.#varint()
    this.#wire = Number(tag & 7n)
    const field = tag >> 3n
    if (field < 1n || field > 0x1fff_ffffn) throw this.#broken(`field number ${field}`)
    return Number(field)
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#at
  }

  /** Wire type of the field that `next` came to. */
  get wire(): number {
    return this.#wire
  }

  /** An integer field, as int64; beyond what a number holds exactly it becomes the largest that does. */
  integer(): number {
    this.#expect(VARINT)
    return toNumber(this.#varint())
  }

  /** Integers, packed or one by one. */
  integers(): number[] {
    if (this.#wire === VARINT) return [this.integer()]
    const inner = new ProtobufReader(this.bytes(), this.#what, this.#kind)
    const values: number[] = []
    while (inner.#at < inner.#bytes.length) values.push(toNumber(inner.#varint()))
    return values
  }

  /** Integers of 64 bits, packed or one by one. */
  bigIntegers(): bigint[] {
    if (this.#wire === VARINT) return [BigInt.asIntN(64, this.#varint())]
    const inner = new ProtobufReader(this.bytes(), this.#what, this.#kind)
    const values: bigint[] = []
    while (inner.#at < inner.#bytes.length) values.push(BigInt.asIntN(64, inner.#varint()))
    return values
  }

  /** Float32 numbers, packed or one by one. */
  floats(): number[] {
    if (this.#wire === FIXED32) return [this.#view.getFloat32(this.#take(4), true)]
    const bytes = this.bytes()
    if (bytes.length % 4 !== 0) throw this.#broken(`${bytes.length} bytes of float32 numbers`)
    return [...new Float32Array(bytes.slice().buffer)]
  }

  /** Float64 numbers, packed or one by one. */
  doubles(): number[] {
    if (this.#wire === FIXED64) return [this.#view.getFloat64(this.#take(8), true)]
    const bytes = this.bytes()
    if (bytes.length % 8 !== 0) throw this.#broken(`${bytes.length} bytes of float64 numbers`)
    return [...new Float64Array(bytes.slice().buffer)]
  }

  /** A length-delimited field. */
  bytes(): Uint8Array {
    this.#expect(BYTES)
    const length = this.#varint()
    const rest = this.#bytes.length - this.#at
    if (length > BigInt(rest)) throw this.#broken(`a field of ${length} bytes where ${rest} follow`)
    const from = this.#take(Number(length))
    return this.#bytes.subarray(from, this.#at)
  }

  /** A string field of one line, as names are. */
  string(): string {
    const bytes = this.bytes()
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
      if (!CONTROL.test(text)) return text
    } catch {}
    throw this.#broken('a name that is no text')
  }

  /** A nested message. */
  message(what: string): ProtobufReader {
    return new ProtobufReader(this.bytes(), what, this.#kind)
  }

  /** Passes over the field. */
  skip(): void {
    if (this.#wire === VARINT) this.#varint()
    else if (this.#wire === BYTES) this.bytes()
    else if (this.#wire === FIXED32) this.#take(4)
    else if (this.#wire === FIXED64) this.#take(8)
    else throw this.#broken(`wire type ${this.#wire}`)
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw this.#broken(`wire type ${this.#wire} instead of ${wire}`)
  }

  #take(count: number): number {
    const from = this.#at
    if (from + count > this.#bytes.length) throw this.#broken('it ends within a field')
    this.#at += count
    return from
  }

  #varint(): bigint {
    let value = 0n
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#take(1)] as number
      value |= BigInt(byte & 127) << BigInt(7 * i)
      if (byte < 128) return BigInt.asUintN(64, value)
    }
    throw this.#broken('an integer of more than ten bytes')
  }

  #broken(reason: string): EspalierError {
    const message = `not ${this.#kind}, or a damaged one: ${this.#what} has ${reason}`
    return new EspalierError('invalid_model_file', message)
  }
}

/** "To the end" is often written as the largest int64; the largest exact number means the same. */
function toNumber(value: bigint): number {
  const signed = BigInt.asIntN(64, value)
  const bounded = signed > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : bounded
}
