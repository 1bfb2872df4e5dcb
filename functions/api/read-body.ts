import { IncomingMessage } from 'node:http'
import type { ApiContext } from './types.ts'

/**
 * Hands the parts of a request's body over as they arrive; what `take` throws ends the reading. Under Node's
 * own server it reads the connection itself: a web stream around it costs more than a short request's JSON.
 */
export async function readBody(c: ApiContext, take: (part: Uint8Array) => void): Promise<void> {
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
