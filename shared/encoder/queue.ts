import type { GroupingLimits } from '../runtime/grouping.ts'
import type { Item } from './item.ts'
import { planRun } from './plan.ts'

/** However many requests wait, each counts as having at least this part of the workers' time. */
const MAX_SHARES = 8
/** Taken items of withdrawn requests may fill this much of the heap before they are swept out. */
const MIN_SWEEP = 1_024

/** The items of one request in the order in which they should run. */
export interface Queueable<R> {
  readonly items: readonly Item<R>[]
}

/**
 * What waits, in fair order. An item's turn is the virtual time of its arrival plus the tokens of its request
 * before it, and virtual time moves by the tokens taken divided by the requests that wait, eight at most: a small
 * request passes a large one, but whatever came later than eight times those tokens does not pass any more
 * (after start-time fair queueing; Goyal, Vin and Cheng, 1996).
 */
export class FairQueue<R> {
  readonly #heap = new Heap<Item<R>>((a, b) => a.turn - b.turn || a.serial - b.serial)
  readonly #limits: GroupingLimits
  /** Waiting items by the request that brought them. */
  readonly #backlog = new Map<Queueable<R>, number>()
  readonly #owners = new Map<Item<R>, Queueable<R>>()
  #now = 0
  #serial = 0
  #tokens = 0
  #bytes = 0

  constructor(limits: GroupingLimits) {
    this.#limits = limits
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Memory of what waits. */
  get bytes(): number {
    return this.#bytes
  }

  get items(): number {
    return this.#owners.size
  }

  /** Adds the new items of a request; those that wait or run already keep their place. */
  add(request: Queueable<R>): void {
    let turn = this.#now
    let added = 0
    for (const item of request.items) {
      if (item.state !== 'new') continue
      item.state = 'waiting'
      item.turn = turn
      item.serial = this.#serial++
      turn += item.tokens
      added += 1
      this.#tokens += item.tokens
      this.#bytes += item.bytes
      this.#owners.set(item, request)
      this.#heap.push(item)
    }
    if (added > 0) this.#backlog.set(request, added)
  }

  /**
   * Takes the items of the next job, as many as bring it to `budget` tokens or just below; empty when nothing
   * waits. A job of one run holds the oldest and its neighbours in length; one of several is taken in order.
   */
  take(budget: number): Item<R>[] {
    const taken =
      budget > this.#limits.maxTokens
        ? this.#next(Number.POSITIVE_INFINITY, budget)
        : this.#neighbours(budget)
    const tokens = taken.reduce((sum, item) => sum + item.tokens, 0)
    this.#now += tokens / Math.min(MAX_SHARES, Math.max(1, this.#backlog.size))
    for (const item of taken) this.#leave(item, 'taken')
    return taken
  }

  /** Withdraws an item that nobody waits for any more. */
  remove(item: Item<R>): void {
    if (item.state !== 'waiting') return
    this.#leave(item, 'gone')
    if (this.#heap.size < 2 * this.#owners.size + MIN_SWEEP) return
    this.#heap.retain(({ state }) => state === 'waiting')
  }

  #neighbours(budget: number): Item<R>[] {
    const taken: Item<R>[] = []
    let tokens = 0
    let left = this.#next(this.#limits.window, Number.POSITIVE_INFINITY)
    while (left.length > 0) {
      const lengths = left.map((item) => item.tokens)
      if (taken.length > 0 && tokens + (lengths[0] as number) > budget) break
      const picks = planRun(lengths, Math.max(1, budget - tokens), this.#limits)
      const picked = new Set(picks)
      for (const at of picks) tokens += lengths[at] as number
      taken.push(...picks.map((at) => left[at] as Item<R>))
      left = left.filter((_, at) => !picked.has(at))
    }
    for (const item of left) this.#heap.push(item)
    return taken
  }

  /** The items next in order, taken off the heap: as many as the limits and the bytes of a job allow, one at least. */
  #next(mostItems: number, mostTokens: number): Item<R>[] {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#limits
    const taken: Item<R>[] = []
    let [tokens, bytes] = [0, 0]
    while (taken.length < mostItems) {
      const item = this.#heap.pop()
      if (!item) break
      if (item.state !== 'waiting') continue
      tokens += item.tokens
      bytes += item.bytes
      if (taken.length > 0 && (tokens > mostTokens || bytes > maxBytes)) {
        this.#heap.push(item)
        break
      }
      taken.push(item)
    }
    return taken
  }

  #leave(item: Item<R>, state: 'taken' | 'gone'): void {
    item.state = state
    this.#tokens -= item.tokens
    this.#bytes -= item.bytes
    const owner = this.#owners.get(item) as Queueable<R>
    this.#owners.delete(item)
    const left = (this.#backlog.get(owner) ?? 0) - 1
    if (left > 0) this.#backlog.set(owner, left)
    else this.#backlog.delete(owner)
  }
}

/** A binary heap: the least value first. */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number
  #values: T[] = []

  /** @param compare negative where `a` comes before `b` */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#values.length
  }

  push(value: T): void {
    const values = this.#values
    let at = values.length
    values.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#compare(value, values[parent] as T) >= 0) break
      values[at] = values[parent] as T
      at = parent
    }
    values[at] = value
  }

  pop(): T | undefined {
    const values = this.#values
    const least = values[0]
    const last = values.pop()
    if (values.length > 0) this.#sink(0, last as T)
    return least
  }

  /** Drops everything that does not pass. */
  retain(passes: (value: T) => boolean): void {
    this.#values = this.#values.filter(passes)
    for (let at = (this.#values.length >> 1) - 1; at >= 0; at--) {
      this.#sink(at, this.#values[at] as T)
    }
  }

  #sink(start: number, value: T): void {
    const values = this.#values
    let at = start
    for (;;) {
      let child = 2 * at + 1
      if (child >= values.length) break
      const right = child + 1
      if (right < values.length && this.#compare(values[right] as T, values[child] as T) < 0) {
        child = right
      }
      if (this.#compare(value, values[child] as T) <= 0) break
      values[at] = values[child] as T
      at = child
    }
    values[at] = value
  }
}
