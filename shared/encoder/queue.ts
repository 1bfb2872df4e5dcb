import type { GroupingLimits } from '../runtime/grouping.ts'
import { Heap } from './heap.ts'
import type { Item } from './item.ts'
import { planRun } from './plan.ts'

/** However many requests of a caller wait, each counts as having at least this part of the caller's time. */
const MAX_SHARES = 8
/** Taken items of withdrawn requests may fill this much of the heap before they are swept out. */
const MIN_SWEEP = 1_024

/** Who is served as one: an API key. Callers without one are one as well. */
export interface QueueCaller {
  readonly name: string
  /** Its part of the workers' time beside others. */
  readonly weight: number
}

/** The items of one request in the order in which they should run. */
export interface Queueable<R> {
  readonly items: readonly Item<R>[]
  readonly caller?: QueueCaller | null | undefined
}

/** What waits before a new request of a caller, and how much is its own. */
export interface QueueView {
  /** Tokens that are taken before it: its caller's own, and of each other caller a fair part beside them. */
  readonly ahead: number
  /** Tokens and bytes of its own caller. */
  readonly ownTokens: number
  readonly ownBytes: number
  /** Callers with work in the queue, its own included. */
  readonly callers: number
  /** Most requests among which its own caller's time is shared while it waits, its own included. */
  readonly shares: number
}

/** What waits of one caller. */
interface Line<R> {
  readonly caller: QueueCaller
  readonly heap: Heap<Item<R>>
  /** Waiting items by the request that brought them. */
  readonly backlog: Map<Queueable<R>, number>
  /** Virtual time within the line. */
  now: number
  /** Tokens taken, divided by the caller's weight: the line with the least is next. */
  served: number
  items: number
  tokens: number
  bytes: number
}

const NOBODY: QueueCaller = { name: '', weight: 1 }

/**
 * What waits, in fair order. Callers take turns by weight: next is the one that has been served least. Within a
 * caller's line an item's turn is the virtual time of its arrival plus the tokens of its request before it, and virtual
 * time moves by the tokens taken divided by the requests that wait, eight at most: a small request passes a large one,
 * but whatever came later than eight times those tokens does not pass any more (after start-time fair queueing; Goyal,
 * Vin and Cheng, 1996).
 */
export class FairQueue<R> {
  readonly #limits: GroupingLimits
  readonly #lines = new Map<string, Line<R>>()
  readonly #owners = new Map<Item<R>, { readonly request: Queueable<R>; readonly line: Line<R> }>()
  /** What the line taken from last had been served: where a caller who comes begins. */
  #served = 0
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

  /** What a new request of so many tokens would meet. */
  view(caller: QueueCaller | null | undefined, tokens: number): QueueView {
    const { name, weight } = caller ?? NOBODY
    const own = this.#lines.get(name)
    const ownTokens = own?.tokens ?? 0
    const turns = (ownTokens + tokens) / weight
    let ahead = ownTokens
    let callers = 1
    for (const line of this.#lines.values()) {
      if (line === own || line.items === 0) continue
      callers += 1
      ahead += Math.min(line.tokens, turns * line.caller.weight)
    }
    return {
      ahead,
      ownTokens,
      ownBytes: own?.bytes ?? 0,
      callers,
      shares: Math.min(MAX_SHARES, 1 + (own?.backlog.size ?? 0)),
    }
  }

  /** Adds the new items of a request; those that wait or run already keep their place. */
  add(request: Queueable<R>): void {
    const fresh = request.items.filter(({ state }) => state === 'new')
    if (fresh.length === 0) return
    const line = this.#lineOf(request.caller ?? NOBODY)
    let turn = line.now
    for (const item of fresh) {
      item.state = 'waiting'
      item.turn = turn
      item.serial = this.#serial++
      turn += item.tokens
      this.#count(line, item, 1)
      this.#owners.set(item, { request, line })
      line.heap.push(item)
    }
    line.backlog.set(request, fresh.length)
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
    const tokens = new Map<Line<R>, number>()
    for (const item of taken) {
      const line = this.#owners.get(item)!.line
      tokens.set(line, (tokens.get(line) ?? 0) + item.tokens)
    }
    for (const [line, sum] of tokens) {
      line.now += sum / Math.min(MAX_SHARES, Math.max(1, line.backlog.size))
      this.#served = Math.max(this.#served, line.served)
      line.served += sum / line.caller.weight
    }
    for (const item of taken) this.#leave(item, 'taken')
    return taken
  }

  /** Withdraws an item that nobody waits for any more. */
  remove(item: Item<R>): void {
    if (item.state !== 'waiting') return
    const line = this.#owners.get(item)!.line
    this.#leave(item, 'gone')
    if (line.heap.size < 2 * line.items + MIN_SWEEP) return
    line.heap.retain(({ state }) => state === 'waiting')
  }

  #lineOf(caller: QueueCaller): Line<R> {
    const known = this.#lines.get(caller.name)
    if (known) {
      // Nobody saves up turns while nothing of them waits.
      if (known.items === 0) known.served = Math.max(known.served, this.#served)
      return known
    }
    const line: Line<R> = {
      caller,
      heap: new Heap<Item<R>>((a, b) => a.turn - b.turn || a.serial - b.serial),
      backlog: new Map(),
      now: 0,
      served: this.#served,
      items: 0,
      tokens: 0,
      bytes: 0,
    }
    this.#lines.set(caller.name, line)
    return line
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
    for (const item of left) this.#owners.get(item)!.line.heap.push(item)
    return taken
  }

  /** The items next in order, taken off the heaps: as many as the limits and the bytes of a job allow, one at least. */
  #next(mostItems: number, mostTokens: number): Item<R>[] {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#limits
    const lines = [...this.#lines.values()].map((line) => ({ line, served: line.served }))
    const taken: Item<R>[] = []
    let [tokens, bytes] = [0, 0]
    while (taken.length < mostItems && lines.length > 0) {
      let next = lines[0]!
      for (const each of lines) if (each.served < next.served) next = each
      const item = next.line.heap.pop()
      if (!item) {
        lines.splice(lines.indexOf(next), 1)
        continue
      }
      if (item.state !== 'waiting') continue
      tokens += item.tokens
      bytes += item.bytes
      next.served += item.tokens / next.line.caller.weight
      if (taken.length > 0 && (tokens > mostTokens || bytes > maxBytes)) {
        next.line.heap.push(item)
        break
      }
      taken.push(item)
    }
    return taken
  }

  #leave(item: Item<R>, state: 'taken' | 'gone'): void {
    const { request, line } = this.#owners.get(item)!
    item.state = state
    this.#count(line, item, -1)
    this.#owners.delete(item)
    const left = (line.backlog.get(request) ?? 0) - 1
    if (left > 0) line.backlog.set(request, left)
    else line.backlog.delete(request)
    // The last line keeps its time: who comes next goes on from there.
    if (line.items === 0 && this.#lines.size > 1) this.#lines.delete(line.caller.name)
  }

  #count(line: Line<R>, { tokens, bytes }: Item<R>, sign: 1 | -1): void {
    line.items += sign
    line.tokens += sign * tokens
    line.bytes += sign * bytes
    this.#tokens += sign * tokens
    this.#bytes += sign * bytes
  }
}
