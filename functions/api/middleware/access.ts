import { createHash, timingSafeEqual } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Config } from '../../../shared/lib/config/config.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import type { LiveKeys } from '../../../shared/lib/live-keys.ts'
import type { ApiApp } from '../api-app.ts'
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

const HOW_TO_SHOW = 'send "Authorization: Bearer" or "x-api-key" with a key of this server'

type AdminConfig = Pick<Config, 'adminToken' | 'adminLocal'>

/** Lets in whoever has a key of the scope that the route asks for; probes need none. */
export function apiKeys(app: ApiApp, keys: LiveKeys): ApiMiddleware {
  return async function checkKey(c, next) {
    const scope = app.scopeOf(c)
    if (scope === null) return next()
    const given = readKeys(c)
    if (given.length > 0) await keys.catchUp()
    const key = keys.find(given)
    if (key === null) {
      const what = given.length === 0 ? 'there is no API key' : 'the API key is not known here'
      throw new EspalierError('unauthorized', `${what}: ${HOW_TO_SHOW}`)
    }
    const { name, scopes } = key
    c.get('record').caller = { name, scopes }
    if (!scopes.has(scope)) {
      const has = [...scopes].join(', ')
      throw new EspalierError(
        'forbidden',
        `${c.req.path} needs a key with scope ${scope}; ${name} has ${has}`,
      )
    }
    await next()
  }
}

/** What may be a key: a gateway in front can have use of one of the two headers for itself. */
function readKeys(c: ApiContext): string[] {
  const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const plain = c.req.header('x-api-key')?.trim()
  return [bearer, plain].filter((word) => word !== undefined && word !== '') as string[]
}

/**
 * True for callers whose key has the scope; where no keys are asked for, for those with the admin token; where there
 * is neither, for those on this machine if the settings say that no proxy is.
 */
export function isAdmin(c: ApiContext, { adminToken, adminLocal }: AdminConfig): boolean {
  const { caller } = c.get('record')
  if (caller) return caller.scopes.has('admin')
  if (adminToken !== undefined) {
    const given = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    return given !== undefined && isSameSecret(given, adminToken)
  }
  return adminLocal === '1' && isOnThisMachine(c)
}

/** True for callers on the same machine, neither through a proxy nor from a page in a browser. */
function isOnThisMachine(c: ApiContext): boolean {
  const isDirect = FOREIGN_HEADERS.every((name) => c.req.header(name) === undefined)
  return isDirect && LOOPBACK.test(peerOf(c))
}

/** Lets administrators in. @throws EspalierError `forbidden` for everybody else */
export function requireAdmin(c: ApiContext, config: AdminConfig): void {
  if (isAdmin(c, config)) return
  const fix =
    config.adminToken === undefined
      ? 'set ESPALIER_ADMIN_TOKEN, or ESPALIER_ADMIN_LOCAL=1 on a machine without a proxy'
      : 'send "Authorization: Bearer" with the value of ESPALIER_ADMIN_TOKEN'
  throw new EspalierError('forbidden', `${c.req.path} is for administrators: ${fix}`)
}

/** Lets callers on this machine in. @throws EspalierError `forbidden` for everybody else */
export function requireThisMachine(c: ApiContext): void {
  if (isOnThisMachine(c)) return
  throw new EspalierError('forbidden', `${c.req.path} answers to this machine alone`)
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
