import type { Encoder } from '../encoder/types.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** An encoder that stays open until it is released. */
export interface EncoderLease {
  readonly encoder: Encoder
  release(): void
}

/** An encoder that can be opened: what it is and what it will take. */
export interface EncoderSource {
  /** Two sources with the same key are the same encoder. */
  readonly key: string
  /** As messages name it: `name@v7`. */
  readonly label: string
  /** Memory that it is expected to take in all threads together; 0 where nobody knows yet. */
  readonly bytes: number
  /** @throws whatever the encoder's kind can throw, and the signal's reason */
  open(signal?: AbortSignal | undefined): Promise<OpenedEncoder>
}

/** A loaded encoder and the memory that it takes. */
export interface OpenedEncoder {
  readonly encoder: Encoder
  readonly bytes: number
}

/** How an encoder is asked for. */
export interface AcquireEncoderOptions {
  /** Open it beside all others, whatever the budget says. */
  readonly force?: boolean | undefined
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined
}

/** What pools are opened within. */
export interface EncoderPoolsOptions {
  /** Most bytes of all encoders and whatever `otherBytes` counts. */
  readonly maxBytes: number
  /** Memory of the heads, which share the budget. */
  readonly otherBytes: () => number
  readonly log: Logger
}

interface Pool {
  readonly source: EncoderSource
  readonly opening: Promise<OpenedEncoder>
  opened: OpenedEncoder | null
  users: number
}

/** Encoders that are open, each in worker threads of its own, within one budget of memory. */
export class EncoderPools {
  readonly #options: EncoderPoolsOptions
  /** Least recently used first. */
  readonly #pools = new Map<string, Pool>()
  readonly #draining = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  /** Told when the last user of an encoder has gone. */
  onIdle: () => void = () => {}

  constructor(options: EncoderPoolsOptions) {
    this.#options = options
  }

  /** Memory of all that is open or being opened. */
  get bytes(): number {
    let bytes = 0
    for (const { source, opened } of this.#pools.values()) {
      bytes += opened ? opened.bytes + abandonedBytes(opened) : source.bytes
    }
    return bytes
  }

  /** What is open, the least recently used first. */
  open(): Encoder[] {
    return [...this.#pools.values()].flatMap(({ opened }) => (opened ? [opened.encoder] : []))
  }

  /** The encoder where it is open, else null. */
  peek({ key }: EncoderSource): Encoder | null {
    return this.#pools.get(key)?.opened?.encoder ?? null
  }

  /**
   * Opens an encoder, once however many ask, and keeps it open until it is released. What nobody uses makes room.
   * @throws EspalierError `invalid_config` or `overloaded` where there is no room, and whatever opening can throw
   */
  async acquire(
    source: EncoderSource,
    { force = false, signal }: AcquireEncoderOptions = {},
  ): Promise<EncoderLease> {
    if (this.#closing.signal.aborted)
      throw new EspalierError('shutting_down', 'the encoders are closed')
    const found = this.#pools.get(source.key)
    if (!found && !force) this.#makeRoom(source)
    const pool = found ?? this.#start(source, signal)
    this.#touch(pool)
    pool.users++
    try {
      const { encoder } = await pool.opening
      return this.#lease(pool, encoder)
    } catch (error) {
      pool.users--
      throw error
    }
  }

  /** An open encoder that the caller has just been shown; null where it is not open any more. */
  hold(encoder: Encoder): EncoderLease | null {
    for (const pool of this.#pools.values()) {
      if (pool.opened?.encoder !== encoder) continue
      this.#touch(pool)
      pool.users++
      return this.#lease(pool, encoder)
    }
    return null
  }

  /** Closes what nobody uses and `isNeeded` does not keep. */
  trim(isNeeded: (encoder: Encoder) => boolean): void {
    for (const pool of this.#pools.values()) {
      if (pool.users === 0 && pool.opened && !isNeeded(pool.opened.encoder)) this.#close(pool)
    }
  }

  /** Gives up what is being opened, lets accepted work finish and closes everything. */
  async close(): Promise<void> {
    this.#closing.abort(new EspalierError('shutting_down', 'the encoders are closed'))
    const pools = [...this.#pools.values()]
    await Promise.allSettled(pools.map(({ opening }) => opening))
    for (const pool of pools) this.#close(pool)
    await Promise.all(this.#draining)
  }

  #start(source: EncoderSource, signal: AbortSignal | undefined): Pool {
    const closing = this.#closing.signal
    const opening = source.open(signal ? AbortSignal.any([closing, signal]) : closing)
    const pool: Pool = { source, opening, opened: null, users: 0 }
    this.#pools.set(source.key, pool)
    opening.then(
      (opened) => {
        pool.opened = opened
      },
      () => this.#pools.delete(source.key),
    )
    return pool
  }

  #lease(pool: Pool, encoder: Encoder): EncoderLease {
    let released = false
    return {
      encoder,
      release: () => {
        if (released) return
        released = true
        pool.users--
        if (pool.users === 0) this.onIdle()
      },
    }
  }

  #touch(pool: Pool): void {
    if (!this.#pools.delete(pool.source.key)) return
    this.#pools.set(pool.source.key, pool)
  }

  #makeRoom(source: EncoderSource): void {
    const { maxBytes, otherBytes } = this.#options
    const missing = () => this.bytes + otherBytes() + source.bytes - maxBytes
    for (const pool of [...this.#pools.values()]) {
      if (missing() <= 0) return
      if (pool.users === 0 && pool.opened) this.#close(pool)
    }
    if (missing() <= 0) return
    const isBusy = this.#pools.size > 1
    throw new EspalierError(
      isBusy ? 'overloaded' : 'invalid_config',
      `${source.label} takes about ${source.bytes} bytes; ESPALIER_MODELS_BYTES allows ${maxBytes} for all encoders and heads, of which ${this.bytes + otherBytes()} are in use`,
      isBusy ? { retryAfterSeconds: 1 } : { param: 'ESPALIER_MODELS_BYTES' },
    )
  }

  #close(pool: Pool): void {
    if (!this.#pools.delete(pool.source.key) || !pool.opened) return
    const { label } = pool.source
    this.#options.log.info({ model: label }, 'encoder closed')
    const draining = pool.opened.encoder
      .close()
      .catch((error: unknown) => {
        this.#options.log.error({ model: label, err: error }, 'an encoder did not close')
      })
      .finally(() => this.#draining.delete(draining))
    this.#draining.add(draining)
  }
}

/** What workers hold that were given up in a run and have been replaced: as much as any of the others. */
function abandonedBytes({ encoder, bytes }: OpenedEncoder): number {
  const { abandonedWorkers } = encoder.load()
  return abandonedWorkers === 0 ? 0 : Math.ceil((bytes * abandonedWorkers) / encoder.info.workers)
}
