/** What one API key may do. */
export interface KeyLimit {
  /** Its part of the workers' time beside other keys. */
  readonly weight: number
  /** Most requests a minute. */
  readonly requests: number
  /** Most tokens a minute. */
  readonly tokens: number
}

/** The limit of a key of which nothing is said. */
export const NO_LIMIT: KeyLimit = {
  weight: 1,
  requests: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
}

/** Stands for every key that is not named. */
export const EVERY_OTHER_KEY = '*'

const NAME = /^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,62})$/
const MAX_WEIGHT = 1_000
const MAX_PER_MINUTE = 1_000_000_000

/**
 * Reads limits of keys as `name:weight=2+requests=600+tokens=100000`, separated by commas or on lines of their own;
 * `*` is every key that is not named. Null where the text is not of that form, or names a key twice.
 */
export function parseKeyLimits(text: string): ReadonlyMap<string, KeyLimit> | null {
  const limits = new Map<string, KeyLimit>()
  const entries = text.split(/[\n,]/).map((entry) => entry.trim())
  for (const entry of entries.filter((each) => each !== '')) {
    const [name = '', parts = '', ...rest] = entry.split(':')
    const limit = parseParts(parts)
    if (!NAME.test(name) || limit === null || rest.length > 0 || limits.has(name)) return null
    limits.set(name, limit)
  }
  return limits
}

function parseParts(text: string): KeyLimit | null {
  const given: Partial<Record<keyof KeyLimit, number>> = {}
  for (const part of text.split('+')) {
    const [, field, digits] = /^(weight|requests|tokens)=([0-9]{1,10})$/.exec(part) ?? []
    const value = Number(digits)
    const most = field === 'weight' ? MAX_WEIGHT : MAX_PER_MINUTE
    if (field === undefined || value < 1 || value > most) return null
    given[field as keyof KeyLimit] = value
  }
  return { ...NO_LIMIT, ...given }
}
