import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { EspalierError } from './errors.ts'
import { hint, say, task, toWording, type Wording } from './wording.ts'

/** What a key may be used for: answers, changes of models, the running of the server. */
export const KEY_SCOPES = ['infer', 'train', 'admin'] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

/** One key as a server knows it: never the key itself. */
export interface ApiKey {
  /** As logs and messages name it. */
  readonly name: string
  readonly scopes: ReadonlySet<KeyScope>
  /** 32 bytes. */
  readonly digest: Buffer
}

/** Those of one server; every look-up costs one comparison for each. */
const MAX_KEYS = 1_000
/** Longer than any key of ours; nothing longer is hashed. */
const MAX_KEY_LENGTH = 512
const KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const DIGEST = /^[0-9a-f]{64}$/i

/** A new random key of 256 bits, in a form that scanners of source code can be told to look for. */
export function createKey(): string {
  return `espalier_${randomBytes(32).toString('base64url')}`
}

/** The line that a server is given in place of a key: `name:infer+train:sha256`. */
export function describeKey(name: string, scopes: readonly KeyScope[], key: string): string {
  return `${name}:${scopes.join('+')}:${hashKey(key).toString('hex')}`
}

/** True for what may stand before the first colon of a key's line. */
export function isKeyName(name: string): boolean {
  return KEY_NAME.test(name)
}

/**
 * Reads keys as `name:scope+scope:sha256`, separated by commas or on lines of their own; lines that open with # are
 * left out. No message repeats an entry, as it may hold a key by mistake.
 * @param source the variable that the text comes from
 * @param least how many keys there must be
 * @throws EspalierError `invalid_config` naming the entry by its number
 */
export function parseApiKeys(text: string, source: string, least = 1): ApiKey[] {
  const entries = splitEntries(text).filter((entry) => !entry.startsWith('#'))
  if (entries.length < least || entries.length > MAX_KEYS) {
    throw invalid(source, `holds ${entries.length} keys; it must hold ${least} to ${MAX_KEYS}`)
  }
  return entries.map((entry, index) => parseEntry(entry, `entry ${index + 1}`, source))
}

/** The entries of a text with keys, and its comments, which may have commas in them. */
export function splitEntries(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => (line.trim().startsWith('#') ? [line] : line.split(',')))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

function parseEntry(entry: string, which: string, source: string): ApiKey {
  const [name = '', scopes = '', digest = '', ...rest] = entry.split(':')
  if (!isKeyName(name) || !DIGEST.test(digest) || rest.length > 0) {
    const form = 'name:scope+scope:sha256, the hash as 64 hex digits'
    const where = hint(say`; ${task('keys create')} prints one`)
    throw invalid(source, say`${which} is not of the form ${form}${where}`)
  }
  const words = scopes.split('+')
  const known = words.filter((word): word is KeyScope => KEY_SCOPES.some((each) => each === word))
  if (known.length < words.length) {
    throw invalid(source, `${which}: its scopes must be of ${KEY_SCOPES.join(', ')}, joined by +`)
  }
  return { name, scopes: new Set(known), digest: Buffer.from(digest, 'hex') }
}

/** The keys that a server accepts. */
export class KeyRing {
  readonly #keys: readonly ApiKey[]

  /** @throws EspalierError `invalid_config` where a name or a key is there twice */
  constructor(keys: readonly ApiKey[]) {
    const names = new Set<string>()
    const digests = new Set<string>()
    for (const { name, digest } of keys) {
      if (names.has(name)) throw invalid('the API keys', `have two of the name ${name}`)
      if (digests.has(digest.toString('hex'))) throw invalid('the API keys', `hold ${name}'s twice`)
      names.add(name)
      digests.add(digest.toString('hex'))
    }
    this.#keys = keys
  }

  /** How many there are. */
  get size(): number {
    return this.#keys.length
  }

  /** Their names, in the order of the entries. */
  get names(): readonly string[] {
    return this.#keys.map(({ name }) => name)
  }

  /** The names of those that another ring lacks, or has otherwise. */
  without(other: KeyRing): string[] {
    const theirs = new Map(other.#keys.map((key) => [key.name, key]))
    return this.#keys.filter((key) => !isSameKey(key, theirs.get(key.name))).map(({ name }) => name)
  }

  /** The first of the words given that is a key. Takes the same time for every key, right or wrong. */
  find(words: readonly string[]): ApiKey | null {
    let found: ApiKey | null = null
    for (const word of words) {
      if (word.length > MAX_KEY_LENGTH) continue
      const digest = hashKey(word)
      for (const key of this.#keys) {
        const isSame = timingSafeEqual(digest, key.digest)
        found = isSame && found === null ? key : found
      }
    }
    return found
  }
}

/** The sha256 of a key: enough for a random one, where a password would need a slow hash. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function isSameKey(a: ApiKey, b: ApiKey | undefined): boolean {
  if (b === undefined || !a.digest.equals(b.digest)) return false
  return a.scopes.size === b.scopes.size && [...a.scopes].every((scope) => b.scopes.has(scope))
}

function invalid(source: string, what: string | Wording): EspalierError {
  const message = say`${source} ${toWording(what)}`
  return new EspalierError('invalid_config', message, { param: source })
}
