import { createHash } from 'node:crypto'
import { CHAMPION } from '../../lib/text/model-address.ts'
import { type ModelState, versionOfAlias } from './state.ts'

/** A place in [0, 100) that depends on nothing but the model's name and the key. */
export function routePosition(name: string, routeKey: string): number {
  const hash = createHash('sha256').update(`${name}\0${routeKey}`).digest()
  return (hash.readUIntBE(0, 6) / 2 ** 48) * 100
}

/**
 * The version that answers a request for the unqualified name: by the traffic split if one is set, else the
 * champion, else null. The same key always gives the same version; without a key it is the largest share.
 */
export function chooseVersion(
  state: ModelState,
  routeKey?: string | undefined,
): { version: number; via: 'traffic' | 'alias' } | null {
  if (state.traffic === null) {
    const version = versionOfAlias(state, CHAMPION)
    return version === null ? null : { version, via: 'alias' }
  }
  const largest = state.traffic.reduce((a, b) => (b.percent > a.percent ? b : a))
  if (routeKey === undefined) return { version: largest.version, via: 'traffic' }
  const position = routePosition(state.name, routeKey)
  let end = 0
  for (const { version, percent } of state.traffic) {
    end += percent
    if (position < end) return { version, via: 'traffic' }
  }
  return { version: largest.version, via: 'traffic' }
}
