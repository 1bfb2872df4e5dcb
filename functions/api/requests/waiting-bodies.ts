import { isIPv6 } from 'node:net'
import type { Clock } from '../../../shared/lib/clock.ts'
import type { Config } from '../../../shared/lib/config/config.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'

export type WaitingLimits = Pick<
  Config,
  'maxWaitingBodies' | 'maxWaitingBytes' | 'addressShare' | 'minBodyRate'
>

/** A body has so long to bring what the lowest rate asks for. */
const WINDOW_MS = 10_000
/** How often the rates are looked at. */
const SWEEP_MS = 1_000
/** A body that brought nothing for so long may be given up for others. */
const SILENT_MS = 1_000

/** A body that is still arriving. */
export interface WaitingBody {
  /** Counts a part. @throws EspalierError `overloaded` where the bytes of all such bodies are at their limit */
  arrived(bytes: number): void
  /** Ends the waiting: the body is whole, or nobody reads it any more. */
  leave(): void
}

interface Entry {
  readonly address: string
  readonly giveUp: (error: EspalierError) => void
  bytes: number
  lastMs: number
  windowMs: number
  windowBytes: number
}

interface Sums {
  bodies: number
  bytes: number
}

/** Why a body was not waited for: too slow, silent while others had to wait, or no room for its bytes. */
export type BodyRefusal = 'slow' | 'silent' | 'full'

/** The bodies that are arriving, and how many were given up since the start. */
export interface WaitingState {
  readonly bodies: number
  readonly bytes: number
  readonly refused: Readonly<Record<BodyRefusal, number>>
}

/**
 * The bodies that are still arriving, bounded by number and bytes, in all and by address, and by the rate at which
 * they come. Whoever is silent makes room for whoever is not: many slow clients do not keep one honest client out.
 */
export class WaitingBodies {
  readonly #limits: WaitingLimits
  readonly #clock: Clock
  /** In the order of their last bytes: the most silent first. */
  readonly #entries = new Set<Entry>()
  readonly #all: Sums = { bodies: 0, bytes: 0 }
  readonly #byAddress = new Map<string, Sums>()
  readonly #refused: Record<BodyRefusal, number> = { slow: 0, silent: 0, full: 0 }
  #timer: NodeJS.Timeout | undefined

  constructor(limits: WaitingLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** What is arriving now. */
  get state(): WaitingState {
    return { ...this.#all, refused: { ...this.#refused } }
  }

  /**
   * Begins to wait for a body.
   * @param address of the peer, as Node writes it
   * @param giveUp told when the waiting is ended for it: `request_timeout`
   */
  enter(address: string, giveUp: (error: EspalierError) => void): WaitingBody {
    const network = networkOf(address)
    const { maxWaitingBodies } = this.#limits
    const share = this.#shareOf(maxWaitingBodies)
    if ((this.#byAddress.get(network)?.bodies ?? 0) >= share) this.#dropSilent(network, 0)
    if (this.#all.bodies >= maxWaitingBodies) this.#dropSilent(null, 0)
    const now = this.#clock.monotonicMs()
    const entry = {
      address: network,
      giveUp,
      bytes: 0,
      lastMs: now,
      windowMs: now,
      windowBytes: 0,
    }
    this.#entries.add(entry)
    this.#count(entry, 1, 0)
    if (this.#limits.minBodyRate > 0) {
      this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref()
    }
    return {
      arrived: (bytes) => this.#arrived(entry, bytes),
      leave: () => this.#leave(entry),
    }
  }

  /** Gives up the bodies that came too slowly in the window that has ended. */
  sweep(): void {
    const now = this.#clock.monotonicMs()
    const { minBodyRate } = this.#limits
    const wanted = (minBodyRate * WINDOW_MS) / 1000
    for (const entry of this.#entries) {
      if (now - entry.windowMs < WINDOW_MS) continue
      if (entry.windowBytes < wanted) {
        this.#giveUp(entry, 'slow', `it came at less than ${minBodyRate} bytes a second`)
        continue
      }
      entry.windowMs = now
      entry.windowBytes = 0
    }
  }

  #arrived(entry: Entry, bytes: number): void {
    if (!this.#entries.has(entry)) return
    entry.lastMs = this.#clock.monotonicMs()
    entry.bytes += bytes
    entry.windowBytes += bytes
    this.#count(entry, 0, bytes)
    this.#entries.delete(entry)
    this.#entries.add(entry)
    const { maxWaitingBytes } = this.#limits
    this.#fit(entry, entry.address, this.#shareOf(maxWaitingBytes))
    this.#fit(entry, null, maxWaitingBytes)
  }

  /** Makes room among the silent, else refuses the newcomer; the only body may be larger than the limit. */
  #fit(entry: Entry, network: string | null, limit: number): void {
    for (;;) {
      const held = network === null ? this.#all.bytes : (this.#byAddress.get(network)?.bytes ?? 0)
      if (held <= limit || held === entry.bytes) return
      if (this.#dropSilent(network, SILENT_MS)) continue
      this.#leave(entry)
      this.#refused.full++
      throw new EspalierError(
        'overloaded',
        `${limit} bytes of request bodies are arriving, the limit; try again shortly`,
        { retryAfterSeconds: 1 },
      )
    }
  }

  /** Gives up the body, of one address or of all, that has been silent longest; false where none is. */
  #dropSilent(network: string | null, silentMs: number): boolean {
    const latest = this.#clock.monotonicMs() - silentMs
    for (const entry of this.#entries) {
      if (entry.lastMs > latest) return false
      if (network !== null && entry.address !== network) continue
      this.#giveUp(entry, 'silent', 'it was silent while others waited for their turn')
      return true
    }
    return false
  }

  #giveUp(entry: Entry, reason: BodyRefusal, why: string): void {
    this.#leave(entry)
    this.#refused[reason]++
    const message = `the body did not arrive in time: ${why}; send it again, faster`
    entry.giveUp(new EspalierError('request_timeout', message))
  }

  #leave(entry: Entry): void {
    if (!this.#entries.delete(entry)) return
    this.#count(entry, -1, -entry.bytes)
    if (this.#entries.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #count({ address }: Entry, bodies: number, bytes: number): void {
    const own = this.#byAddress.get(address) ?? { bodies: 0, bytes: 0 }
    for (const sums of [this.#all, own]) {
      sums.bodies += bodies
      sums.bytes += bytes
    }
    if (own.bodies === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, own)
  }

  #shareOf(limit: number): number {
    return Math.max(1, Math.floor((limit * this.#limits.addressShare) / 100))
  }
}

/** What counts as one address: of IPv6 the first 64 bits, which one caller has to itself. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address.replace(/^::ffff:/i, '')
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  const groups = [...first, ...Array<string>(zeros).fill('0'), ...last]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
