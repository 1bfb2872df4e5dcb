import type { Encoder, ProjectionMemory } from '../../encoder/types.ts'
import { type HeadPlace, stackHeads } from '../../head/columns.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { CachedHead } from './head-cache.ts'

/** Where each head's columns lie in the scores of a projection. */
export interface StackLayout {
  readonly columns: number
  readonly places: ReadonlyMap<CachedHead, HeadPlace>
}

/** Heads that stay in every projection until they are released. */
export interface StackLease {
  /** The layout of the scores of a batch that was encoded under this lease. */
  layout(projectionId: number): StackLayout
  release(): void
}

/** What a stack works with. */
export interface HeadStackOptions {
  readonly encoder: Pick<Encoder, 'setProjection'>
  /** Columns of all heads together; one request for more of them is served alone. */
  readonly maxColumns: number
  /** Longest wait for heads that are not in the projection, milliseconds. */
  readonly waitMs: number
  /** False for heads that nobody needs any more, so that they leave the projection with its next change. */
  readonly keeps: (head: CachedHead) => boolean
}

interface Waiter {
  readonly heads: readonly CachedHead[]
  resolve(lease: StackLease): void
  reject(error: Error): void
}

/**
 * Keeps the heads in use in one projection of the encoder, changed off the path of requests: what is in the
 * projection is leased at once, what is not waits until every worker has it. All changes asked for meanwhile
 * are made in one go, oldest first.
 */
export class HeadStack {
  readonly #options: HeadStackOptions
  readonly #pins = new Map<CachedHead, number>()
  /** Least recently used first. */
  readonly #recent = new Set<CachedHead>()
  readonly #waiting: Waiter[] = []
  /** By id of the projection; old ones stay as long as a lease may have used them. */
  readonly #layouts = new Map<number, StackLayout>()
  readonly #leases = new Set<{ readonly since: number }>()
  #id = 0
  #current = 0
  /** The projection on its way to the workers. */
  #next: StackLayout | null = null
  #updating = false
  /** The first in line does not fit beside what is leased: nobody may overtake it. */
  #blocked = false

  constructor(options: HeadStackOptions) {
    this.#options = options
  }

  /** Keeps heads in the projection that are in it already; else null. */
  leaseNow(heads: readonly CachedHead[]): StackLease | null {
    for (const head of heads) {
      this.#recent.delete(head)
      this.#recent.add(head)
    }
    return !this.#blocked && this.#covers(heads) ? this.#grant(heads) : null
  }

  /**
   * Waits until the heads are in the projection, and keeps them there.
   * @throws EspalierError `overloaded` after the longest wait, `request_cancelled`
   */
  lease(heads: readonly CachedHead[], signal?: AbortSignal | undefined): Promise<StackLease> {
    const granted = this.leaseNow(heads)
    if (granted) return Promise.resolve(granted)
    return new Promise((resolve, reject) => {
      const { waitMs } = this.#options
      const leave = (error: EspalierError) => {
        const at = this.#waiting.indexOf(waiter)
        if (at >= 0) this.#waiting.splice(at, 1)
        settle()
        reject(error)
        void this.#update()
      }
      const abort = () => leave(new EspalierError('request_cancelled', 'the request was cancelled'))
      const late = () => leave(overloaded(waitMs))
      const timer = setTimeout(late, waitMs)
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter = {
        heads,
        resolve(lease) {
          settle()
          resolve(lease)
        },
        reject(error) {
          settle()
          reject(error)
        },
      }
      if (signal?.aborted) return abort()
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.push(waiter)
      void this.#update()
    })
  }

  #grant(heads: readonly CachedHead[]): StackLease {
    const lease = { since: this.#current }
    this.#leases.add(lease)
    for (const head of heads) this.#pins.set(head, (this.#pins.get(head) ?? 0) + 1)
    return {
      layout: (id) => {
        const layout = this.#layouts.get(id)
        if (layout) return layout
        throw new EspalierError('internal', `there is no layout of projection ${id}`)
      },
      release: () => {
        if (!this.#leases.delete(lease)) return
        for (const head of heads) {
          const pins = (this.#pins.get(head) ?? 0) - 1
          if (pins > 0) this.#pins.set(head, pins)
          else this.#pins.delete(head)
        }
        this.#dropLayouts()
        if (this.#waiting.length > 0) void this.#update()
      },
    }
  }

  /** In force, and in what comes next: a lease must not lose a head to a change that is under way. */
  #covers(heads: readonly CachedHead[]): boolean {
    const current = this.#layouts.get(this.#current)
    return heads.every(
      (head) => current?.places.has(head) && (!this.#next || this.#next.places.has(head)),
    )
  }

  async #update(): Promise<void> {
    if (this.#updating) return
    this.#updating = true
    try {
      for (;;) {
        while (this.#waiting[0] && this.#covers(this.#waiting[0].heads)) {
          const waiter = this.#waiting.shift() as Waiter
          waiter.resolve(this.#grant(waiter.heads))
        }
        this.#blocked = false
        const served = this.#plan()
        if (!served) return
        await this.#apply(served)
      }
    } finally {
      this.#updating = false
    }
  }

  /** The heads of the next projection: those leased, those waited for in turn, then the most recent. */
  #plan(): { heads: CachedHead[]; waiters: Waiter[] } | null {
    if (this.#waiting.length === 0) return null
    const { maxColumns, keeps } = this.#options
    const chosen = new Set(this.#pins.keys())
    const waiters: Waiter[] = []
    let columns = countColumns(chosen)
    for (const waiter of this.#waiting) {
      const added = new Set(waiter.heads.filter((head) => !chosen.has(head)))
      const more = countColumns(added)
      if (chosen.size > 0 && columns + more > maxColumns) break
      for (const head of added) chosen.add(head)
      columns += more
      waiters.push(waiter)
    }
    this.#blocked = waiters.length === 0
    if (this.#blocked) return null
    for (const head of [...this.#recent].reverse()) {
      if (!keeps(head)) this.#recent.delete(head)
      if (chosen.has(head) || !keeps(head)) continue
      if (columns + head.columns > maxColumns) break
      chosen.add(head)
      columns += head.columns
    }
    return { heads: [...chosen], waiters }
  }

  async #apply({ heads, waiters }: { heads: CachedHead[]; waiters: Waiter[] }): Promise<void> {
    const { places, ...stacked } = stackHeads(heads.map(({ head }) => head))
    const layout: StackLayout = {
      columns: stacked.columns,
      places: new Map(heads.map((head, index) => [head, places[index] as HeadPlace])),
    }
    const id = ++this.#id
    // Known before the encoder can answer with it.
    this.#layouts.set(id, layout)
    this.#next = layout
    try {
      const memories = heads.flatMap((head) => memoryOf(head))
      await this.#options.encoder.setProjection({ id, ...stacked, memories })
      this.#current = id
    } catch (error) {
      this.#layouts.delete(id)
      for (const waiter of waiters) {
        const at = this.#waiting.indexOf(waiter)
        if (at < 0) continue
        this.#waiting.splice(at, 1)
        waiter.reject(error as Error)
      }
    } finally {
      this.#next = null
      this.#dropLayouts()
    }
  }

  #dropLayouts(): void {
    let oldest = this.#current
    for (const { since } of this.#leases) oldest = Math.min(oldest, since)
    for (const id of this.#layouts.keys()) {
      if (id < oldest) this.#layouts.delete(id)
    }
  }
}

function countColumns(heads: Iterable<CachedHead>): number {
  let columns = 0
  for (const head of heads) columns += head.columns
  return columns
}

function memoryOf({ id, head: { memory } }: CachedHead): ProjectionMemory[] {
  if (!memory) return []
  const { embeddings, scales, k } = memory
  return [{ id, embeddings, scales, k }]
}

function overloaded(waitMs: number): EspalierError {
  return new EspalierError(
    'overloaded',
    `the classifiers asked for could not be made ready within ${waitMs} ms; try again shortly`,
    { retryAfterSeconds: 1 },
  )
}
