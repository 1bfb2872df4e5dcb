import { PickleBytes } from './pickle-bytes.ts'
import type { Fail } from './tensor-file.ts'

/** A name that a pickle wants to have looked up. */
export interface Global {
  readonly kind: 'global'
  readonly module: string
  readonly name: string
}

/** What a pickle builds: plain values, and what `PickleHost` makes of names. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Global
  | { readonly kind: 'tuple'; readonly items: readonly PickleValue[] }
  | { readonly kind: 'made'; readonly what: string; readonly value: unknown }

/** Decides what names and persistent ids stand for; it calls nothing that a file brings. */
export interface PickleHost {
  /** @throws for a name that is not allowed */
  findGlobal(module: string, name: string): Global
  /** What calling a global gives. @throws for what is not allowed */
  reduce(global: Global, args: readonly PickleValue[]): PickleValue
  /** What a persistent id stands for. */
  load(id: PickleValue): PickleValue
}

const MARK = Symbol('mark')
type Slot = PickleValue | typeof MARK

/** One pickle of a file, with where the next begins. */
export interface ReadPickle {
  readonly value: PickleValue
  readonly end: number
}

/**
 * Runs the operations of one pickle that build values, as torch.save writes them (protocol 2, and what later protocols
 * have for the same). Operations that could run something else are refused; every length is checked against the bytes.
 * @throws what `fail` throws
 */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
  fail: Fail,
): ReadPickle {
  return new PickleMachine(bytes, start, host, fail).run()
}

class PickleMachine {
  readonly #bytes: PickleBytes
  readonly #host: PickleHost
  readonly #fail: Fail
  readonly #stack: Slot[] = []
  readonly #memo = new Map<number, PickleValue>()

  constructor(bytes: Uint8Array, start: number, host: PickleHost, fail: Fail) {
    this.#bytes = new PickleBytes(bytes, start, fail)
    this.#host = host
    this.#fail = fail
  }

  run(): ReadPickle {
    for (;;) {
      const code = this.#bytes.byte()
      if (code === 0x2e) return { value: this.#pop(), end: this.#bytes.position }
      if (!this.#runValue(code) && !this.#runStructure(code)) {
        this.#fail(`its pickle has operation 0x${code.toString(16)}, which tensors do not need`)
      }
    }
  }

  /** Numbers, texts and names. */
  #runValue(code: number): boolean {
    const stack = this.#stack
    switch (code) {
      case 0x80: // PROTO
        this.#bytes.take(1)
        return true
      case 0x95: // FRAME
        this.#bytes.take(8)
        return true
      case 0x4e: // NONE
        stack.push(null)
        return true
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(code === 0x88)
        return true
      case 0x4a: // BININT
        stack.push(this.#bytes.int32())
        return true
      case 0x4b: // BININT1
        stack.push(this.#bytes.byte())
        return true
      case 0x4d: // BININT2
        stack.push(this.#bytes.uint16())
        return true
      case 0x8a: // LONG1
        stack.push(this.#bytes.long())
        return true
      case 0x47: // BINFLOAT
        stack.push(this.#bytes.float64())
        return true
      case 0x58: // BINUNICODE
        stack.push(this.#bytes.text(this.#bytes.uint32()))
        return true
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(this.#bytes.text(this.#bytes.byte()))
        return true
      case 0x63: // GLOBAL
        stack.push(this.#host.findGlobal(this.#bytes.line(), this.#bytes.line()))
        return true
      case 0x93: {
        // STACK_GLOBAL
        const [name, module] = [this.#pop(), this.#pop()]
        if (typeof name !== 'string' || typeof module !== 'string') this.#fail('a name is no text')
        stack.push(this.#host.findGlobal(String(module), String(name)))
        return true
      }
      default:
        return false
    }
  }

  /** Lists, dictionaries, and what is made of what is on the stack. */
  #runStructure(code: number): boolean {
    const stack = this.#stack
    switch (code) {
      case 0x28: // MARK
        stack.push(MARK)
        return true
      case 0x30: // POP
        if (stack.pop() === undefined) this.#fail('its pickle is damaged')
        return true
      case 0x7d: // EMPTY_DICT
        stack.push(new Map())
        return true
      case 0x5d: // EMPTY_LIST
        stack.push([])
        return true
      case 0x29: // EMPTY_TUPLE
        stack.push({ kind: 'tuple', items: [] })
        return true
      case 0x74: // TUPLE
        stack.push({ kind: 'tuple', items: this.#popMark() })
        return true
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: code - 0x84 }, () => this.#pop()).reverse()
        stack.push({ kind: 'tuple', items })
        return true
      }
      case 0x61: // APPEND
        this.#append([this.#pop()])
        return true
      case 0x65: // APPENDS
        this.#append(this.#popMark())
        return true
      case 0x73: {
        // SETITEM
        const value = this.#pop()
        this.#set([this.#pop(), value])
        return true
      }
      case 0x75: // SETITEMS
        this.#set(this.#popMark())
        return true
      case 0x52: // REDUCE
        this.#reduce()
        return true
      case 0x62: // BUILD
        // Attributes of what is built, such as the metadata of a dictionary: of no use here.
        this.#pop()
        return true
      case 0x51: // BINPERSID
        stack.push(this.#host.load(this.#pop()))
        return true
      default:
        return this.#runMemo(code)
    }
  }

  #runMemo(code: number): boolean {
    switch (code) {
      case 0x71: // BINPUT
        this.#memo.set(this.#bytes.byte(), this.#top())
        return true
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#bytes.uint32(), this.#top())
        return true
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top())
        return true
      case 0x68: // BINGET
        this.#recall(this.#bytes.byte())
        return true
      case 0x6a: // LONG_BINGET
        this.#recall(this.#bytes.uint32())
        return true
      default:
        return false
    }
  }

  #reduce(): void {
    const args = this.#pop()
    const global = this.#pop()
    const isCall = isKind(args, 'tuple') && isKind(global, 'global')
    if (!isCall) this.#fail('its pickle calls what is no name')
    else this.#stack.push(this.#host.reduce(global, args.items))
  }

  #append(values: readonly PickleValue[]): void {
    const list = this.#top()
    if (Array.isArray(list)) for (const value of values) list.push(value)
    else this.#fail('its pickle appends to what is no list')
  }

  #set(pairs: readonly PickleValue[]): void {
    const map = this.#top()
    const isMap = map instanceof Map && pairs.length % 2 === 0
    if (!isMap) this.#fail('its pickle sets items of what is no dictionary')
    for (let i = 0; isMap && i < pairs.length; i += 2) {
      map.set(pairs[i] as PickleValue, pairs[i + 1] as PickleValue)
    }
  }

  #recall(index: number): void {
    const value = this.#memo.get(index)
    if (value === undefined) this.#fail('its pickle recalls what it has not kept')
    else this.#stack.push(value)
  }

  #pop(): PickleValue {
    const value = this.#stack.pop()
    if (value === undefined || value === MARK) return this.#fail('its pickle is damaged')
    return value
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1)
    if (value === undefined || value === MARK) return this.#fail('its pickle is damaged')
    return value
  }

  #popMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK)
    if (at < 0) this.#fail('its pickle is damaged')
    const values = this.#stack.splice(at) as Slot[]
    return values.slice(1) as PickleValue[]
  }
}

/** Tells the objects of a pickle apart. */
export function isKind<K extends 'tuple' | 'global' | 'made'>(
  value: PickleValue,
  kind: K,
): value is Extract<PickleValue, { readonly kind: K }> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    value.kind === kind
  )
}
