import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAlias, isModelName, parseModelAddress } from '../../../shared/lib/text/model-address.ts'

describe('parseModelAddress', () => {
  it.each([
    ['intent', { kind: 'default' }],
    ['intent@champion', { kind: 'alias', alias: 'champion' }],
    ['intent@v7', { kind: 'version', version: 7 }],
  ])('reads %s', (text, selector) => {
    expect(parseModelAddress(text)).toEqual({ name: 'intent', selector })
  })

  it.each([
    '',
    '@v1',
    'a@',
    'a@v0',
    'a@v01',
    'a@7',
    'a@v1@v2',
    'Ä',
    '../x',
    'a..b',
    'a/b',
    '.a',
    'a b',
    'a@-x',
    'a\n',
    '__proto__',
    'x'.repeat(64),
    `a@v${'9'.repeat(30)}`,
  ])('refuses %j', (text) => {
    expect(() => parseModelAddress(text)).toThrow(
      expect.objectContaining({ code: 'invalid_name', param: 'model' }),
    )
  })

  it('takes names in any case, as the authors of models write them', () => {
    expect(parseModelAddress('all-MiniLM-L6-v2@v1').name).toBe('all-minilm-l6-v2')
  })

  it('reads back every name, version and alias', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/).filter(isModelName)
    const alias = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter(isAlias)
    fc.assert(
      fc.property(name, alias, fc.integer({ min: 1, max: 99_999 }), (model, pointer, version) => {
        expect(parseModelAddress(`${model}@${pointer}`).selector).toEqual({
          kind: 'alias',
          alias: pointer,
        })
        expect(parseModelAddress(`${model}@v${version}`).selector).toEqual({
          kind: 'version',
          version,
        })
      }),
    )
  })
})
