import type { KeyRing } from '../../../shared/lib/api-keys.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { findScope } from '../scopes.ts'
import type { ApiContext, ApiMiddleware } from '../types.ts'

const HOW = 'send "Authorization: Bearer" or "x-api-key" with a key of this server'

/** Lets in whoever has a key of the scope that the path asks for; probes need none. */
export function apiKeys(keys: KeyRing): ApiMiddleware {
  return async function checkKey(c, next) {
    const scope = findScope(c.req.path)
    if (scope === null) return next()
    const given = readKeys(c)
    const key = keys.find(given)
    if (key === null) {
      const what = given.length === 0 ? 'there is no API key' : 'the API key is not known here'
      throw new EspalierError('unauthorized', `${what}: ${HOW}`)
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
