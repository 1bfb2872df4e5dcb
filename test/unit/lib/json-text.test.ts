import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findJsonFault } from '../../../shared/lib/json/json-fault.ts'
import { isNestedDeeper } from '../../../shared/lib/json/json-scan.ts'

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

describe('findJsonFault', () => {
  it('agrees with JSON.parse on texts near JSON', () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', ']', '}', '{', '\\', '0', ' ', 'x'))
      .map(([json, at, insert]) => {
        const cut = at % (json.length + 1)
        return json.slice(0, cut) + insert + json.slice(cut + (at % 2))
      })
    fc.assert(
      fc.property(fc.oneof(fc.json(), broken, fc.string()), (text) => {
        expect(findJsonFault(text) === null).toBe(parses(text))
      }),
      { numRuns: 5000 },
    )
  })

  it.each([
    ['{"a": abc}', 6, 'a value'],
    ['{"a": 1,}', 8, 'a key in double quotes'],
    ['{"a"', 4, '":" after a key'],
    ['[1 2]', 3, '"," or "]"'],
    ['["abc', 5, 'a closing quote or a valid escape'],
    ['["\\x"]', 2, 'a closing quote or a valid escape'],
    ['{} x', 3, 'the end'],
    ['', 0, 'a value'],
    ['[1,]', 3, 'a value'],
    ['01', 1, 'the end'],
  ])('finds the fault of %s', (text, position, expected) => {
    expect(findJsonFault(text)).toEqual({ position, expected })
  })
})

describe('isNestedDeeper', () => {
  it('measures the depth of JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 6 }), (value, limit) => {
        const bytes = Buffer.from(JSON.stringify(value))
        expect(isNestedDeeper(bytes, limit)).toBe(depthOf(value) > limit)
      }),
      { numRuns: 2000 },
    )
  })

  it('does not take brackets in strings for structure', () => {
    expect(isNestedDeeper(Buffer.from('["[[[[[[\\"[[[[\\\\", "[["]'), 1)).toBe(false)
    expect(isNestedDeeper(Buffer.from('[[1], "'), 1)).toBe(true)
    expect(isNestedDeeper(Buffer.from('"[[['), 1)).toBe(false)
  })
})
