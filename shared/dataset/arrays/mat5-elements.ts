import { dataError } from '../data-error.ts'

/** One element: its type and its bytes. */
export interface MatElement {
  readonly type: number
  readonly data: Uint8Array
}

/** Elements in order. */
export type ElementReader = Pick<MatElements, 'next' | 'numbers'>

interface NumberType {
  readonly bytes: number
  readonly read: (view: DataView, at: number, isLittle: boolean) => number
}

/** The types of numbers by their code; integers of 64 bits lose what float64 cannot hold. */
export const MAT_NUMBERS: Readonly<Record<number, NumberType>> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at, isLittle) => view.getInt16(at, isLittle) },
  4: { bytes: 2, read: (view, at, isLittle) => view.getUint16(at, isLittle) },
  5: { bytes: 4, read: (view, at, isLittle) => view.getInt32(at, isLittle) },
  6: { bytes: 4, read: (view, at, isLittle) => view.getUint32(at, isLittle) },
  7: { bytes: 4, read: (view, at, isLittle) => view.getFloat32(at, isLittle) },
  9: { bytes: 8, read: (view, at, isLittle) => view.getFloat64(at, isLittle) },
  12: { bytes: 8, read: (view, at, isLittle) => Number(view.getBigInt64(at, isLittle)) },
  13: { bytes: 8, read: (view, at, isLittle) => Number(view.getBigUint64(at, isLittle)) },
}

const COMPRESSED = 15

/** Walks over the elements of a MAT file or of a variable in it; lengths are checked against the bytes there. */
export class MatElements {
  readonly #name: string
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #isLittle: boolean
  #at = 0

  constructor(name: string, bytes: Uint8Array, isLittle: boolean) {
    this.#name = name
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#isLittle = isLittle
  }

  isDone(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** @throws EspalierError `invalid_data` where the element is longer than what is left */
  next(): MatElement {
    const { type, start, length } = this.#tag()
    const end = start + length
    if (end > this.#bytes.length) throw this.#cut()
    // Elements start at multiples of eight, but nothing follows a compressed one with padding.
    const isSmall = start === this.#at + 4
    this.#at = isSmall
      ? this.#at + 8
      : type === COMPRESSED
        ? end
        : start + Math.ceil(length / 8) * 8
    return { type, data: this.#bytes.subarray(start, end) }
  }

  /** What is inside the first element, as far as it is there: a variable may be unpacked in part. */
  open(): Uint8Array {
    const { start, length } = this.#tag()
    return this.#bytes.subarray(start, start + length)
  }

  /** @throws EspalierError `invalid_data` where the next element holds no numbers */
  numbers(): Float64Array {
    const { type, data } = this.next()
    const number = MAT_NUMBERS[type]
    if (number === undefined) {
      throw dataError(this.#name, null, `an element of type ${type} where numbers are expected`)
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    const out = new Float64Array(Math.floor(data.length / number.bytes))
    for (let i = 0; i < out.length; i++) {
      out[i] = number.read(view, i * number.bytes, this.#isLittle)
    }
    return out
  }

  /** A short element has type and length in four bytes and up to four bytes of data beside them. */
  #tag() {
    if (this.#at + 8 > this.#bytes.length) throw this.#cut()
    const word = this.#view.getUint32(this.#at, this.#isLittle)
    if (word >>> 16 === 0) {
      const length = this.#view.getUint32(this.#at + 4, this.#isLittle)
      return { type: word, start: this.#at + 8, length }
    }
    const length = word >>> 16
    if (length > 4) throw dataError(this.#name, null, 'damaged: a short element of 5 bytes or more')
    return { type: word & 0xffff, start: this.#at + 4, length }
  }

  #cut() {
    return dataError(this.#name, null, 'the file is cut off')
  }
}
