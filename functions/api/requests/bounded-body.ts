import { IncomingMessage } from 'node:http'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { ApiContext } from '../types.ts'

/** What bounds the bodies. */
export interface BodyLimits {
  readonly maxBodyBytes: number
  /** Of all requests together, from the first byte of a body to its answer. */
  readonly maxHeldBytes: number
}

/** The bodies of all requests together. */
export class BoundedBodies {
  readonly #limits: BodyLimits
  #heldBytes = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Reads a body, and counts it until `work` on it has ended.
   * @throws EspalierError `body_too_large`, `overloaded`, `request_cancelled`
   */
  async use<T>(c: ApiContext, work: (bytes: Buffer) => Promise<T>): Promise<T> {
    try {
      const bytes = await this.#read(c).catch((cause: unknown) => {
        if (cause instanceof EspalierError) throw cause
        throw new EspalierError('request_cancelled', 'the body ended early', { cause })
      })
      return await work(bytes)
    } finally {
      this.#heldBytes -= c.get('record').bodyBytes
    }
  }

  async #read(c: ApiContext): Promise<Buffer> {
    const { maxBodyBytes, maxHeldBytes } = this.#limits
    const record = c.get('record')
    const declared = c.req.header('content-length')
    if (declared !== undefined && Number(declared) > maxBodyBytes) throw tooLarge(maxBodyBytes)
    const parts: Uint8Array[] = []
    await readBody(c, (part) => {
      record.bodyBytes += part.byteLength
      this.#heldBytes += part.byteLength
      if (record.bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
      // The only body may be larger: what one request may hold is the other limit.
      if (this.#heldBytes > maxHeldBytes && this.#heldBytes > record.bodyBytes) {
        throw tooMuchHeld(maxHeldBytes)
      }
      parts.push(part)
    })
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

/**
 * Hands the parts of a request's body over as they arrive; what `take` throws ends the reading. Under Node's
 * own server it reads the connection itself: a web stream around it costs more than a short request's JSON.
 */
async function readBody(c: ApiContext, take: (part: Uint8Array) => void): Promise<void> {
  const incoming = (c.env as { incoming?: unknown } | undefined)?.incoming
  if (incoming instanceof IncomingMessage && !incoming.readableEnded) {
    return readIncoming(incoming, take)
  }
  for await (const part of c.req.raw.body ?? []) take(part)
}

function readIncoming(incoming: IncomingMessage, take: (part: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (part: Buffer) => {
      try {
        take(part)
      } catch (error) {
        stop(error as Error)
      }
    }
    const onEnd = () => stop(null)
    const onError = (error: Error) => stop(error)
    const onClose = () => stop(new Error('the connection was closed'))
    const stop = (error: Error | null) => {
      incoming.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      if (error === null) return resolve()
      // What is still to come is for the server to throw away.
      incoming.pause()
      reject(error)
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}
