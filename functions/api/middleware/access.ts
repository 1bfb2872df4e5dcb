import { createHash, timingSafeEqual } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Config } from '../../../shared/lib/config/config.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { ApiContext, ApiMiddleware } from '../types.ts'

const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.[0-9]{1,3}){3})$/
/** Sent by proxies, whose own address says nothing of the caller's, and by pages in a browser. */
const FOREIGN_HEADERS = [
  'forwarded',
  'x-forwarded-for',
  'x-real-ip',
  'origin',
  'sec-fetch-site',
  // Of the Lambda Web Adapter, which runs on this machine and brings requests from everywhere.
  'x-amzn-request-context',
  'x-amzn-lambda-context',
]

type AdminConfig = Pick<Config, 'adminToken'>

/**
 * True for callers whose key has the scope; where no keys are asked for, for those with the admin token; where there
 * is neither, for those on this machine.
 */
export function isAdmin(c: ApiContext, { adminToken }: AdminConfig): boolean {
  const { caller } = c.get('record')
  if (caller) return caller.scopes.has('admin')
  if (adminToken !== undefined) {
    const given = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    return given !== undefined && isSameSecret(given, adminToken)
  }
  return isOnThisMachine(c)
}

/** True for callers on the same machine, neither through a proxy nor from a page in a browser. */
export function isOnThisMachine(c: ApiContext): boolean {
  const isDirect = FOREIGN_HEADERS.every((name) => c.req.header(name) === undefined)
  return isDirect && LOOPBACK.test(peerOf(c))
}

/** Lets administrators in; everybody else gets `forbidden`. */
export function adminOnly(config: AdminConfig): ApiMiddleware {
  return async function requireAdmin(c, next) {
    if (!isAdmin(c, config)) {
      const fix =
        config.adminToken === undefined
          ? 'it answers to this machine alone while ESPALIER_ADMIN_TOKEN is not set'
          : 'send "Authorization: Bearer" with the value of ESPALIER_ADMIN_TOKEN'
      throw new EspalierError('forbidden', `${c.req.path} is for administrators: ${fix}`)
    }
    await next()
  }
}

/** Takes the same time whatever is given, its length included. */
function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** The address at the other end of the connection; empty where there is none. */
function peerOf(c: ApiContext): string {
  try {
    return getConnInfo(c).remote.address ?? ''
  } catch {
    return ''
  }
}
