import fc from 'fast-check'

/** A place in a JSON value. */
type Path = readonly (string | number)[]

/** What no field of the document is made for, or is at its edge. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  ' ',
  'x'.repeat(3_000),
  '\ud800',
  '\u0000',
  'a..b',
  'intent@',
  'intent@v0',
  'intent@v1234567890',
  '../../etc/passwd',
  '__proto__',
  'data:image/png;base64,',
  'data:image/png;base64,AAAA',
  'data:image/svg+xml,<svg>',
  'https://localhost/cat.jpg',
  [],
  {},
  [[]],
  [null],
  [0, 1],
  { image: 5 },
  { image: '' },
  Array.from({ length: 70 }).reduce<unknown>((inner) => [inner], 'deep'),
]

/** A JSON value with one change of a kind that a careless client makes. */
export function mutateValue(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.oneof(
    fc.record({ kind: fc.constant('replace' as const), by: fc.constantFrom(...ODD_VALUES) }),
    fc.record({ kind: fc.constant('remove' as const) }),
    fc.record({ kind: fc.constant('wrap' as const) }),
    fc.record({ kind: fc.constant('add' as const), by: fc.constantFrom(...ODD_VALUES) }),
  )
  return fc.tuple(values, fc.nat(), change).map(([value, at, how]) => {
    const paths = placesOf(value)
    const path = paths[at % paths.length]!
    if (how.kind === 'remove') return changeAt(value, path, () => undefined)
    if (how.kind === 'wrap') return changeAt(value, path, (old) => [old])
    if (how.kind === 'replace') return changeAt(value, path, () => how.by)
    return isObject(value) ? { ...value, unknown_field: how.by } : [value, how.by]
  })
}

/** A text with bytes changed, left out, doubled or cut off; one character is one byte. */
export function mutateBytes(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'remove', 'insert', 'double', 'cut'),
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
  })
  const changes = fc.array(change, { minLength: 1, maxLength: 4 })
  return fc.tuple(texts, changes).map(([text, all]) =>
    all.reduce((bytes, { kind, at, byte }) => {
      const i = bytes.length === 0 ? 0 : at % bytes.length
      const [before, after] = [bytes.slice(0, i), bytes.slice(i)]
      if (kind === 'flip') return before + byte + after.slice(1)
      if (kind === 'remove') return before + after.slice(1)
      if (kind === 'insert') return before + byte + after
      if (kind === 'double') return before + after + after
      return before
    }, text),
  )
}

/** Every place in a value, the value itself first. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) {
    return [path, ...value.flatMap((item, i) => placesOf(item, [...path, i]))]
  }
  if (!isObject(value)) return [path]
  return [path, ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...path, key]))]
}

/** A copy with one place changed; undefined takes it away. */
function changeAt(
  value: unknown,
  [key, ...rest]: Path,
  change: (old: unknown) => unknown,
): unknown {
  if (key === undefined) return change(value)
  if (Array.isArray(value)) {
    return value.flatMap((item, i) => {
      if (i !== key) return [item]
      const changed = changeAt(item, rest, change)
      return changed === undefined ? [] : [changed]
    })
  }
  const fields = value as Record<string, unknown>
  return { ...fields, [key]: changeAt(fields[key], rest, change) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
