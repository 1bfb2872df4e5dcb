/** What a JSON text may have at most. */
export interface JsonBounds {
  /** Levels of lists and objects. */
  readonly depth: number
  /** Values of all lists and objects together. */
  readonly values: number
  /** Keys of all objects together. */
  readonly keys: number
}

/** The first bound that a text is above. */
export interface ExceededBound {
  readonly bound: keyof JsonBounds
  /** The key of the outermost object whose value was being read, as JSON writes it; null where it is not known. */
  readonly key: string | null
  /** Items so far of the list under that key; 0 where it holds none. */
  readonly items: number
  /** True where that list begins with numbers, or with a list of them. */
  readonly isNumeric: boolean
}

/** A list that is a value of the outermost object, cut between items: bytes `from` to `to` hold `items` of them. */
export interface ListSlice {
  readonly from: number
  readonly to: number
  readonly items: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
/** A string is looked at byte by byte so far, then at the speed of memchr: calls cost more than short strings. */
const NEAR_BYTES = 32
/** Lists are cut into slices of at least so many bytes. */
const SLICE_BYTES = 256 * 1024
/** Keys longer than this are not kept. */
const MAX_KEY_BYTES = 200

/**
 * Counts what a JSON text holds while its bytes arrive, without parsing it: nesting, values and keys. Nothing is
 * checked but the bounds; a text that is not JSON is found by the parser. It also finds where large lists can be cut.
 */
export class JsonScan {
  readonly #bounds: JsonBounds
  /** The kind of each open level: true for lists. */
  readonly #isList: boolean[] = []
  #exceeded: ExceededBound | null = null
  #bytes = 0
  #values = 0
  #keys = 0
  #inString = false
  #escaped = false
  #stringStart = 0
  #lastString: string | null = null
  #key: string | null = null
  /** Those between items of the list under the last key. */
  #commas = 0
  #isListed = false
  #atFirst = false
  #isNumeric = false
  /** Whether every bracket so far is closed by one of its kind. */
  #isMatched = true
  readonly #lists: ListSlice[][] = []
  #sliceFrom = 0
  #sliceCommas = 0

  constructor(bounds: JsonBounds) {
    this.#bounds = bounds
  }

  /** What is too much; null while nothing is. */
  get exceeded(): ExceededBound | null {
    return this.#exceeded
  }

  /** The lists of the outermost object, in order and in slices; empty where brackets do not match. */
  get lists(): readonly (readonly ListSlice[])[] {
    return this.#isMatched ? this.#lists : []
  }

  /** Takes the next bytes. @returns false once a bound is exceeded: what follows is not looked at */
  push(part: Buffer): boolean {
    if (this.#exceeded !== null) return false
    const base = this.#bytes
    let at = 0
    while (at < part.length) {
      if (this.#inString) {
        at = this.#skipString(part, at)
        continue
      }
      const byte = part[at]!
      if (byte > 0x20 && !this.#take(byte, base, at)) return false
      at += 1
    }
    this.#bytes += part.length
    return true
  }

  /** Takes one byte outside strings that is no white space. */
  #take(byte: number, base: number, at: number): boolean {
    if (this.#atFirst && byte !== OPEN_LIST) {
      this.#atFirst = false
      this.#isNumeric = byte === 0x2d || (byte >= 0x30 && byte <= 0x39)
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true
        this.#stringStart = at + 1
        this.#lastString = null
        return true
      case OPEN_LIST:
      case OPEN_OBJECT:
        return this.#open(byte === OPEN_LIST, base + at + 1)
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        this.#close(byte === CLOSE_LIST, base + at)
        return true
      case COMMA:
        this.#values += 1
        if (this.#isListed && this.#isList.length === 2) this.#cut(base + at)
        return this.#values <= this.#bounds.values || this.#exceed('values')
      case COLON:
        this.#keys += 1
        if (this.#isList.length === 1) {
          this.#key = this.#lastString
          this.#commas = 0
          this.#isNumeric = false
        }
        return this.#keys <= this.#bounds.keys || this.#exceed('keys')
      default:
        return true
    }
  }

  #open(isList: boolean, next: number): boolean {
    const levels = this.#isList
    levels.push(isList)
    this.#values += 1
    if (levels.length === 2 && isList && levels[0] === false) {
      this.#isListed = true
      this.#atFirst = true
      this.#commas = 0
      this.#lists.push([])
      this.#sliceFrom = next
      this.#sliceCommas = 0
    }
    if (levels.length > this.#bounds.depth) return this.#exceed('depth')
    return this.#values <= this.#bounds.values || this.#exceed('values')
  }

  #close(isList: boolean, at: number): void {
    const opened = this.#isList.pop()
    if (this.#isList.length === 1 && this.#isListed) {
      this.#isListed = false
      this.#commas += 1
      this.#endSlice(at)
    }
    if (opened !== isList) this.#isMatched = false
  }

  /** A comma between two items of a list of the outermost object. */
  #cut(at: number): void {
    this.#commas += 1
    if (at - this.#sliceFrom < SLICE_BYTES) return
    this.#endSlice(at)
    this.#sliceFrom = at + 1
    this.#sliceCommas = this.#commas
  }

  #endSlice(to: number): void {
    const items = this.#commas - this.#sliceCommas
    this.#lists.at(-1)?.push({ from: this.#sliceFrom, to, items })
  }

  #exceed(bound: keyof JsonBounds): false {
    const items = this.#isListed ? this.#commas + 1 : 0
    this.#exceeded = { bound, key: this.#key, items, isNumeric: items > 0 && this.#isNumeric }
    return false
  }

  /** Goes on within a string. @returns the place behind it, or the end of the part */
  #skipString(part: Buffer, start: number): number {
    let at = start
    while (at < part.length) {
      const near = Math.min(part.length, at + NEAR_BYTES)
      for (; at < near; at++) {
        const byte = part[at]!
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) return this.#endString(part, start, at)
      }
      const quote = part.indexOf(QUOTE, at)
      const next = quote < 0 ? part.length : quote
      let first = next
      while (first > at && part[first - 1] === BACKSLASH) first -= 1
      const before = next - first + (first === at && this.#escaped ? 1 : 0)
      this.#escaped = before % 2 === 1
      at = next
    }
    return at
  }

  #endString(part: Buffer, start: number, at: number): number {
    this.#inString = false
    const isKept = this.#isList.length === 1 && start > 0 && at - start <= MAX_KEY_BYTES
    // A key that began in an earlier part has no name: it is wanted for messages only.
    this.#lastString =
      isKept && start === this.#stringStart ? part.toString('utf8', start, at) : null
    return at + 1
  }
}

/**
 * True where JSON text nests deeper than `limit`. JSON.parse takes seconds on megabytes of `[`, so a
 * server looks first.
 */
export function isNestedDeeper(json: Buffer, limit: number): boolean {
  const unbounded = Number.POSITIVE_INFINITY
  return !new JsonScan({ depth: limit, values: unbounded, keys: unbounded }).push(json)
}
