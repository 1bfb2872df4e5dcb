import { IncomingMessage } from 'node:http'
import type { Clock } from '../../../shared/lib/clock.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { ApiContext } from '../types.ts'
import { WaitingBodies, type WaitingLimits, type WaitingState } from './waiting-bodies.ts'

/** What bounds the bodies. */
export interface BodyLimits extends WaitingLimits {
  readonly maxBodyBytes: number
  /** Of all whole bodies together, until they are answered. */
  readonly maxHeldBytes: number
}

/** Looks at the parts of a body as they come; what it throws ends the reading. */
export type InspectPart = (part: Uint8Array) => void

/** The bodies of all requests together. */
export class BoundedBodies {
  readonly #limits: BodyLimits
  readonly #waiting: WaitingBodies
  readonly #heldByCaller = new Map<string, number>()
  #heldBytes = 0

  constructor(limits: BodyLimits, clock: Clock) {
    this.#limits = limits
    this.#waiting = new WaitingBodies(limits, clock)
  }

  /** The bodies that are still arriving. */
  get waiting(): WaitingState {
    return this.#waiting.state
  }

  /**
   * Reads a body, and counts it as held until `work` on it has ended.
   * @throws EspalierError `body_too_large`, `overloaded`, `request_timeout`, `request_cancelled`
   */
  async use<T>(
    c: ApiContext,
    inspect: InspectPart | null,
    work: (bytes: Buffer) => Promise<T>,
  ): Promise<T> {
    const bytes = await this.#read(c, inspect).catch((cause: unknown) => {
      if (cause instanceof EspalierError) throw cause
      throw new EspalierError('request_cancelled', 'the body ended early', { cause })
    })
    const caller = c.get('record').caller?.name ?? null
    this.#checkHeld(caller, bytes.length)
    this.#hold(caller, bytes.length)
    try {
      return await work(bytes)
    } finally {
      this.#hold(caller, -bytes.length)
    }
  }

  /** The only body may be larger than the limit, and an API key has a fair part while another one fills it. */
  #checkHeld(caller: string | null, bytes: number): void {
    const { maxHeldBytes } = this.#limits
    if (this.#heldBytes === 0 || this.#heldBytes + bytes <= maxHeldBytes) return
    const own = caller === null ? undefined : this.#heldByCaller.get(caller)
    const callers = this.#heldByCaller.size + (own === undefined ? 1 : 0)
    const isFair = callers > 1 && (own ?? 0) + bytes <= maxHeldBytes / (2 * callers)
    if (caller === null || !isFair) throw tooMuchHeld(maxHeldBytes)
  }

  #hold(caller: string | null, bytes: number): void {
    this.#heldBytes += bytes
    if (caller === null) return
    const own = (this.#heldByCaller.get(caller) ?? 0) + bytes
    if (own === 0) this.#heldByCaller.delete(caller)
    else this.#heldByCaller.set(caller, own)
  }

  async #read(c: ApiContext, inspect: InspectPart | null): Promise<Buffer> {
    const { maxBodyBytes } = this.#limits
    const record = c.get('record')
    const declared = c.req.header('content-length')
    if (declared !== undefined && Number(declared) > maxBodyBytes) throw tooLarge(maxBodyBytes)
    const parts: Uint8Array[] = []
    const incoming = incomingOf(c)
    let refusal: unknown = null
    const take = (part: Uint8Array) => {
      record.bodyBytes += part.byteLength
      if (record.bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
      if (refusal !== null) return
      try {
        inspect?.(part)
        parts.push(part)
      } catch (error) {
        if (incoming === null) throw error
        // Few clients read an answer before they have sent everything: the rest is received, and thrown away.
        refusal = error
        parts.length = 0
      }
    }
    if (incoming === null) for await (const part of c.req.raw.body ?? []) take(part)
    else await readIncoming(incoming, this.#waiting, take)
    if (refusal !== null) throw refusal
    return parts.length === 1
      ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, parts[0]!.byteLength)
      : Buffer.concat(parts)
  }
}

function tooLarge(limit: number): EspalierError {
  return new EspalierError('body_too_large', `the body is too large; the limit is ${limit} bytes`)
}

function tooMuchHeld(limit: number): EspalierError {
  const message = `the server holds ${limit} bytes of requests, its limit; try again shortly`
  return new EspalierError('overloaded', message, { retryAfterSeconds: 1 })
}

/** What Node's own server reads; null on other hosts, and where it has been read. */
function incomingOf(c: ApiContext): IncomingMessage | null {
  const incoming = (c.env as { incoming?: unknown } | undefined)?.incoming
  return incoming instanceof IncomingMessage && !incoming.readableEnded ? incoming : null
}

/**
 * Hands the parts of a request's body over as they arrive; what `take` throws ends the reading. It reads the connection
 * itself: a web stream around it costs more than a short request's JSON.
 */
function readIncoming(
  incoming: IncomingMessage,
  waiting: WaitingBodies,
  take: (part: Uint8Array) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (part: Buffer) => {
      try {
        body.arrived(part.byteLength)
        take(part)
      } catch (error) {
        stop(error as Error)
      }
    }
    const onEnd = () => stop(null)
    const onError = (error: Error) => stop(error)
    const onClose = () => stop(new Error('the connection was closed'))
    const stop = (error: Error | null) => {
      body.leave()
      incoming.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      if (error === null) return resolve()
      // What is still to come is for the server to throw away.
      incoming.pause()
      reject(error)
    }
    const body = waiting.enter(incoming.socket.remoteAddress ?? '', stop)
    incoming.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}
