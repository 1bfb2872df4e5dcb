import { cors } from 'hono/cors'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { ApiMiddleware } from '../types.ts'

/** Headers of answers that a page may read beside the usual ones. */
const EXPOSED = [
  'retry-after',
  'server-timing',
  'x-espalier-fingerprint',
  'x-espalier-heads',
  'x-espalier-model',
  'x-request-id',
  'x-tokens',
  'x-truncated',
]
/** How long a browser remembers that it may ask: two hours, the most that Chromium takes. */
const PREFLIGHT_SECONDS = 7200

/** Lets pages of some origins call: preflights are answered with 204, and answers may be read. */
export function allowOrigins(origins: readonly string[]): ApiMiddleware {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'POST'],
    exposeHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  })
}

/**
 * Answers requests for these hosts alone: a page whose own name leads to this machine, by a resolver that its author
 * controls, calls it under that name.
 */
export function allowHosts(hosts: readonly string[]): ApiMiddleware {
  const allowed = new Set(hosts)
  return async function checkHost(c, next) {
    const given = c.req.header('host')
    // HTTP/1.0 has none, and no browser speaks it.
    if (given === undefined || allowed.has(withoutPort(given))) return next()
    throw new EspalierError(
      'forbidden',
      `this server does not answer as ${quote(given)}: call it by one of ${hosts.join(', ')}, or add the name to ESPALIER_HOSTS`,
    )
  }
}

function withoutPort(host: string): string {
  return host.toLowerCase().replace(/:[0-9]*$/, '')
}
