import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JsonBounds, JsonScan } from '../../../shared/lib/json/json-scan.ts'
import { parseSliced, SLICED_BYTES } from '../../../shared/lib/json/parse-sliced.ts'

const NONE = Number.POSITIVE_INFINITY
const UNBOUNDED: JsonBounds = { depth: NONE, values: NONE, keys: NONE }

/** Scans a text in parts of a size. */
function scan(text: string, bounds: Partial<JsonBounds> = {}, size = text.length || 1): JsonScan {
  const scan = new JsonScan({ ...UNBOUNDED, ...bounds })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) scan.push(bytes.subarray(at, at + size))
  return scan
}

function count(value: unknown): { values: number; keys: number } {
  if (typeof value !== 'object' || value === null) return { values: 0, keys: 0 }
  const own = Object.values(value).map(count)
  const commas = Math.max(0, own.length - 1)
  return {
    values: 1 + commas + own.reduce((sum, { values }) => sum + values, 0),
    keys: (Array.isArray(value) ? 0 : own.length) + own.reduce((sum, { keys }) => sum + keys, 0),
  }
}

async function parse(text: string): Promise<{ value: unknown; pauses: number }> {
  let pauses = 0
  const value = await parseSliced(Buffer.from(text), scan(text, {}, 65_536).lists, async () => {
    pauses += 1
  })
  return { value, pauses }
}

describe('JsonScan', () => {
  it('counts values and keys of any JSON, in parts of any size', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 50 }), (value, size) => {
        const text = JSON.stringify(value)
        const { values, keys } = count(value)
        expect(scan(text, { values, keys }, size).exceeded).toBeNull()
        if (values > 0) expect(scan(text, { values: values - 1 }, size).exceeded).not.toBeNull()
        if (keys > 0) expect(scan(text, { keys: keys - 1 }, size).exceeded?.bound).toBe('keys')
      }),
    )
  })

  it('is not misled by what stands in strings, however they are cut', () => {
    const long = `${'x'.repeat(40)}\\"[[,,::`.repeat(3)
    const text = `{"a":["${long}","\\\\","${'\\\\'.repeat(30)}","\\""],"b\\"[":1}`
    expect(JSON.parse(text).a).toHaveLength(4)
    for (let size = 1; size <= text.length; size++) {
      expect(scan(text, { depth: 2, values: 6, keys: 2 }, size).exceeded).toBeNull()
      expect(scan(text, { values: 5 }, size).exceeded).not.toBeNull()
    }
  })

  it.each([
    ['{"inputs":[1,1,1,1,1]}', { bound: 'values', key: 'inputs', items: 4, isNumeric: true }],
    ['{"input":[[-1,1,1,1,1]]}', { bound: 'values', key: 'input', items: 1, isNumeric: true }],
    ['{"a":1,"b":["x","x","x","x"]}', { bound: 'values', key: 'b', items: 3, isNumeric: false }],
    ['{"a":{"b":[1,1,1,1]}}', { bound: 'values', key: 'a', items: 0, isNumeric: false }],
    ['[1,1,1,1,1,1]', { bound: 'values', key: null, items: 0, isNumeric: false }],
    ['{"a":[1],"b":1,"c":2,"d":3}', { bound: 'values', key: 'c', items: 0, isNumeric: false }],
  ])('says of %s what is too much', (text, exceeded) => {
    expect(scan(text, { values: 4 }).exceeded).toEqual(exceeded)
  })
})

describe('parseSliced', () => {
  const pad = 'p'.repeat(20_000)
  const large = (items: readonly string[], more = '') =>
    `{"model":"m",${more}"inputs":[${items.join(',')}],"z":[7, 8]}`

  it('gives what JSON.parse gives for large bodies, and pauses', async () => {
    const items = Array.from({ length: 200 }, (_, i) => JSON.stringify(`${i}, "[é漢]\\ ${pad}`))
    const text = large(items, '"inputs":[1],"__proto__":["own"], "list" : [ ] ,')
    expect(text.length).toBeGreaterThan(SLICED_BYTES)
    const { value, pauses } = await parse(text)
    expect(value).toEqual(JSON.parse(text))
    expect(Object.keys(value as object)).toEqual(Object.keys(JSON.parse(text)))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(pauses).toBeGreaterThan(10)
  })

  it('gives the same for any large request', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 }),
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }),
      async (items, others) => {
        const list = Array.from({ length: 120 }, (_, i) => [items[i % items.length], pad])
        const text = JSON.stringify({ ...others, inputs: list.flat() })
        expect((await parse(text)).value).toEqual(JSON.parse(text))
      },
    )
    await fc.assert(property, { numRuns: 20 })
  })

  const items = Array.from({ length: 200 }, () => JSON.stringify(pad))
  it.each([
    ['a comma too many at the end of a list', large([...items, ' '])],
    ['one at its beginning', large([' ', ...items])],
    ['one between', large([...items.slice(0, 100), '', ...items.slice(100)])],
    ['a bracket of another kind', large([...items, '[1}', '{"a":1]'])],
    ['an end that is missing', large(items).slice(0, -1)],
    ['a list that is cut off', large(items).slice(0, 2_000_000)],
    ['something after the end', `${large(items)}]`],
    ['a list that is closed by a brace', large(items).replace(/\],"z"/, '},"z"')],
    ['a number in place of a list', large(items).replace('"model":"m"', '"model":01')],
  ])('refuses %s, as JSON.parse does', async (_what, text) => {
    const parseWhole = () => JSON.parse(text) as unknown
    expect(parseWhole).toThrow(SyntaxError)
    await expect(parse(text)).rejects.toThrow(SyntaxError)
    const own = await Promise.resolve()
      .then(parseWhole)
      .catch((error: Error) => error.message)
    await expect(parse(text)).rejects.toThrow(own as string)
  })
})
