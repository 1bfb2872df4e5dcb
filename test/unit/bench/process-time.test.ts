import { describe, expect, test } from 'vitest'
import { parseProcessTime } from '../../bench/lib/process-time.ts'

describe('processor time of a process', () => {
  test('is that of user and system together, whatever the process is called', () => {
    const rest = 'S 1 2 3 0 -1 4194560 100 200 0 0 1234 56 7 8 20 0 11 0 99'
    expect(parseProcessTime(`4711 (node) ${rest}`)).toBe(12_900)
    expect(parseProcessTime(`4711 (a) b (c)) ${rest}`)).toBe(12_900)
  })

  test('is not known from anything else', () => {
    expect(parseProcessTime('')).toBeNull()
    expect(parseProcessTime('4711 (node) S 1')).toBeNull()
  })
})
