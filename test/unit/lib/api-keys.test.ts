import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createKey,
  describeKey,
  hashKey,
  KEY_SCOPES,
  KeyRing,
  parseApiKeys,
} from '../../../shared/lib/api-keys.ts'

const parse = (text: string) => parseApiKeys(text, 'ESPALIER_API_KEYS')
const HASH = 'a'.repeat(64)

describe('hashKey', () => {
  it('is the sha256 of FIPS 180-4, section B.1', () => {
    expect(hashKey('abc').toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it('is what sha256sum prints, so that lines can be made without us', () => {
    const key = createKey()
    const printed = execFileSync('sha256sum', { input: key }).toString().split(' ')[0]
    expect(describeKey('ci', ['infer'], key)).toBe(`ci:infer:${printed}`)
  })
})

describe('parseApiKeys', () => {
  it('finds every key that was described, with its scopes, and no other', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
    const scopes = fc.uniqueArray(fc.constantFrom(...KEY_SCOPES), { minLength: 1 })
    const entries = fc.uniqueArray(fc.record({ name, scopes }), {
      minLength: 1,
      maxLength: 8,
      selector: (entry) => entry.name,
    })
    fc.assert(
      fc.property(
        entries,
        fc.constantFrom(',', '\n', ' ,\n# a comment, of two parts\n '),
        (wanted, between) => {
          const keys = wanted.map((entry) => ({ ...entry, key: createKey() }))
          const lines = keys.map((each) => describeKey(each.name, each.scopes, each.key))
          const ring = new KeyRing(parse(lines.join(between)))
          for (const { key, name, scopes } of keys) {
            expect(ring.find([key])).toMatchObject({ name, scopes: new Set(scopes) })
            expect(ring.find([`${key}x`])).toBeNull()
            expect(ring.find([key.slice(0, -1)])).toBeNull()
          }
          for (const line of lines) expect(ring.find([line, line.slice(-64)])).toBeNull()
        },
      ),
      { numRuns: 50 },
    )
  })

  it.each([
    ['', '0 keys'],
    ['# nothing', '0 keys'],
    [`a:infer:${HASH}`.repeat(1001).replaceAll(`${HASH}a`, `${HASH},a`), '1001 keys'],
    ['espalier_secret', 'entry 1'],
    [`a:infer:${HASH},espalier_secret`, 'entry 2'],
    [`espalier_secret:infer:${HASH}0`, 'entry 1'],
    [`a:infer:espalier_secret`, 'entry 1'],
    [`a:infer:${HASH}:more`, 'entry 1'],
    [`a:espalier_secret:${HASH}`, 'infer, train, admin'],
    [`a::${HASH}`, 'infer, train, admin'],
    [`a:infer+:${HASH}`, 'infer, train, admin'],
    [`-a:infer:${HASH}`, 'entry 1'],
  ])('refuses %j without repeating it', (text, reason) => {
    expect(() => parse(text)).toThrow(reason)
    expect(() => parse(text)).toThrow(/^(?!.*espalier_secret)/)
  })
})

describe('KeyRing', () => {
  it('refuses two keys of one name, and one key twice', () => {
    expect(() => new KeyRing(parse(`a:infer:${HASH},a:admin:${'b'.repeat(64)}`))).toThrow('name a')
    expect(() => new KeyRing(parse(`a:infer:${HASH},b:admin:${HASH}`))).toThrow("b's twice")
  })

  it('hashes nothing of immoderate length', () => {
    const long = 'k'.repeat(513)
    const ring = new KeyRing(parse(describeKey('a', ['infer'], long)))
    expect(ring.find([long])).toBeNull()
  })
})
