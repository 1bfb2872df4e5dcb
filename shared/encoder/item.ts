import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import type { JobMode } from '../runtime/protocol.ts'
import type { CachedRow } from './result-cache.ts'

/** An input that waits for an item: `index` is its place in the request. */
export interface Waiter<R> {
  readonly request: R
  readonly index: number
}

/** One input under one mode that waits or runs. All inputs that ask for the same share it. */
export class Item<R> {
  /** The same for inputs that are the same. */
  readonly key: string
  readonly input: EncoderInput
  readonly bytes: number
  /** Estimated tokens. */
  readonly tokens: number
  /** Pixels to decode; 0 for texts. */
  readonly pixels: number
  readonly lane: Lane<R>
  /** Its vector, where only heads are left to apply. */
  readonly known: CachedRow | null
  readonly waiters: Waiter<R>[] = []
  /** Virtual time at which its turn comes; set by the queue. */
  turn = 0
  /** Breaks ties of `turn` in order of arrival; set by the queue. */
  serial = 0
  state: 'new' | 'waiting' | 'taken' | 'gone' = 'new'

  constructor(
    lane: Lane<R>,
    key: string,
    input: EncoderInput,
    size: { readonly bytes: number; readonly tokens: number; readonly pixels: number },
    known: CachedRow | null,
  ) {
    this.lane = lane
    this.key = key
    this.input = input
    this.bytes = size.bytes
    this.tokens = size.tokens
    this.pixels = size.pixels
    this.known = known
  }
}

/** The items in flight that are treated alike. */
export interface Lane<R> {
  readonly key: string
  readonly mode: JobMode
  readonly items: Map<string, Item<R>>
}

/** Every item in flight, so that one input is computed once however often it is asked for. */
export class ItemTable<R> {
  readonly #lanes = new Map<string, Lane<R>>()

  lane(mode: JobMode): Lane<R> {
    const { prompt, truncate, truncationDirection, windows, normalize } = mode
    const { projection, memories } = mode
    const key = JSON.stringify([
      prompt,
      truncate,
      truncationDirection,
      windows,
      normalize,
      projection,
      memories,
    ])
    let lane = this.#lanes.get(key)
    if (!lane) {
      lane = { key, mode, items: new Map() }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  add(item: Item<R>): void {
    // The lane may have left the table since it was looked up.
    this.#lanes.set(item.lane.key, item.lane)
    item.lane.items.set(item.key, item)
  }

  /** Forgets an item that is done: the next input of its kind starts a new one. */
  remove(item: Item<R>): void {
    const { lane } = item
    if (lane.items.get(item.key) !== item) return
    lane.items.delete(item.key)
    if (lane.items.size === 0 && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
  }
}
