import { describe, expect, it } from 'vitest'
import { schemaOfSettings } from '../../../shared/deployment/setting-types.ts'
import { SETTINGS } from '../../../shared/deployment/settings.ts'

describe('the table of settings', () => {
  it('has each key once, and none that is a group of others as well', () => {
    const keys = SETTINGS.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    const groups = keys.flatMap((key) => {
      const names = key.split('.')
      return names.slice(1).map((_, at) => names.slice(0, at + 1).join('.'))
    })
    expect(keys.filter((key) => groups.includes(key))).toEqual([])
  })
})

describe('the schema of a file', () => {
  const schema = schemaOfSettings(SETTINGS, false)

  it('takes values of their own kind, nested by the dots of their names', () => {
    const values = {
      region: 'eu-west-1',
      stacks: ['store', 'cpu'],
      cpu: { memory: 1769, iam: true, jwt: { audience: ['a', 'b'] } },
      gpu: { types: ['L4'] },
    }
    expect(schema.parse(values)).toEqual(values)
  })

  it.each<[string, unknown]>([
    ['a number as a text', { cpu: { memory: '1769' } }],
    ['a number beyond its bounds', { cpu: { memory: 12_288 } }],
    ['half a number', { cpu: { timeout: 2.5 } }],
    ['a flag as a text', { cpu: { iam: 'true' } }],
    ['a list as a text', { stacks: 'store,cpu' }],
    ['a word that is none of a list', { stacks: ['tpu'] }],
    ['a word that is none of a choice', { cpu: { architecture: 'riscv' } }],
    ['an ARN that is none', { gpu: { keys: 'espalier-keys' } }],
    ['an empty text', { name: '' }],
    ['a setting that there is not', { cpu: { memroy: 1769 } }],
    ['a key with dots', { 'cpu.memory': 1769 }],
    ['null, where nothing is to be taken away', { cpu: { memory: null } }],
  ])('refuses %s', (_, values) => {
    expect(schema.safeParse(values).success).toBe(false)
  })

  it('takes null where a value may be taken away', () => {
    expect(schemaOfSettings(SETTINGS, true).safeParse({ cpu: { memroy: null } }).success).toBe(
      false,
    )
    expect(schemaOfSettings(SETTINGS, true).safeParse({ cpu: { iam: null } }).success).toBe(true)
  })
})
