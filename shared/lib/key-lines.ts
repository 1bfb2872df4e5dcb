import { type ApiKey, isKeyName, KeyRing, parseApiKeys, splitEntries } from './api-keys.ts'
import { EspalierError } from './errors.ts'
import { nearestName } from './text/nearest.ts'
import { quote } from './text/text.ts'

/** What a text without keys says: stores of secrets keep no empty ones. */
const NO_KEYS = '# no keys'

/**
 * The keys of a text that servers read: none where it has comments alone.
 * @throws EspalierError `invalid_config` naming the entry, where servers would refuse the text
 */
export function readKeyLines(text: string, source: string): readonly ApiKey[] {
  const keys = parseApiKeys(text, source, 0)
  // Two of one name are as wrong there as a line that is no key.
  new KeyRing(keys)
  return keys
}

/**
 * The text with one more key, or as it is where that very line is in it. Comments stay.
 * @param line of `describeKey`
 * @throws EspalierError `invalid_request` where there is another key of the name, and of `readKeyLines`
 */
export function addKeyLine(text: string | null, line: string, source: string): string {
  const name = nameOf(line)
  const lines = splitEntries(text ?? '')
  if (lines.includes(line)) return lines.join('\n')
  if (readKeyLines(lines.join('\n'), source).some((key) => key.name === name)) {
    const fix = 'revoke it first, or take another name'
    throw new EspalierError('invalid_request', `there is a key ${quote(name)} already: ${fix}`)
  }
  const added = [...lines.filter((each) => each !== NO_KEYS), line].join('\n')
  readKeyLines(added, source)
  return added
}

/** The text without the key of a name. It need not be well formed besides: a key can always be revoked. */
export function removeKeyLine(text: string, name: string): string {
  const left = splitEntries(text).filter((line) => line.startsWith('#') || nameOf(line) !== name)
  return left.length === 0 ? NO_KEYS : left.join('\n')
}

/** @throws EspalierError `invalid_request` where a text has no key of the name */
export function requireKeyLine(text: string, name: string): void {
  const names = splitEntries(text).map(nameOf)
  if (names.includes(name)) return
  const nearest = nearestName(name, names.filter(isKeyName))
  const guess = nearest === null ? '' : `; did you mean ${nearest}?`
  throw new EspalierError('invalid_request', `there is no key ${quote(name)}${guess}`)
}

function nameOf(line: string): string {
  return line.split(':')[0] ?? ''
}
