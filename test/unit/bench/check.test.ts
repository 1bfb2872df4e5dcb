import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PART_NAMES, parseOptions } from '../../bench/options.ts'
import {
  checkFloors,
  floorTable,
  formatFloors,
  parseFloors,
  recordFloors,
  summarizeCheck,
} from '../../bench/report/check.ts'
import { RESULTS_END, RESULTS_START, replaceSection } from '../../bench/report/marked-section.ts'
import { singleRatio as ratio, ratioOf } from '../../bench/report/part-result.ts'
import { renderTable } from '../../bench/report/table.ts'

const floors = { 'a.one': { floor: 2, target: 3 }, 'a.two': { floor: 1 }, 'b.one': { floor: 0.5 } }

describe('checkFloors', () => {
  it('passes ratios at their floors and tells what was not measured', () => {
    const results = checkFloors(floors, [ratio('a.one', 2), ratio('a.two', 1.5), ratio('c', 9)])
    expect(results.map(({ verdict }) => verdict)).toEqual(['held', 'held', 'not measured'])
    expect(summarizeCheck(results)).toEqual({
      passed: true,
      text: '2 ratios at or over their floors, 1 not measured',
    })
  })

  it('fails for one ratio under its floor, and names it', () => {
    const results = checkFloors(floors, [ratio('a.one', 1.99), ratio('a.two', 1.5)])
    expect(summarizeCheck(results)).toEqual({
      passed: false,
      text: 'fallen under their floors: a.one 1.99 < 2',
    })
    const lines = renderTable(floorTable(results))
    expect(lines).toHaveLength(4)
    expect(lines[2]).toBe('| `a.one` | fallen | 1.99 | 2.00 | 3.00 |')
  })

  it('fails for a ratio that is no number, and for a run that measured nothing with a floor', () => {
    expect(summarizeCheck(checkFloors(floors, [ratio('a.two', Number.NaN)])).passed).toBe(false)
    expect(summarizeCheck(checkFloors(floors, [ratio('c', 9)])).passed).toBe(false)
  })
})

describe('recordFloors', () => {
  it('sets floors under what was found, at most the target, and leaves the others', () => {
    const found = [ratio('a.one', 10), ratio('a.two', 2), ratio('c', 9)]
    expect(recordFloors(floors, found)).toEqual({
      'a.one': { floor: 3, target: 3 },
      'a.two': { floor: 1.7 },
      'b.one': { floor: 0.5 },
    })
    expect(recordFloors(floors, [ratio('a.two', Number.NaN)])).toEqual(floors)
    expect(parseFloors(formatFloors(floors))).toEqual(floors)
  })
})

describe('test/bench/floors.json', () => {
  it('holds positive floors, none over its target', () => {
    const path = new URL('../../bench/floors.json', import.meta.url)
    const text = readFileSync(path, 'utf8')
    expect(formatFloors(parseFloors(text))).toBe(text)
    const recorded = Object.values(parseFloors(text))
    expect(recorded.length).toBeGreaterThan(0)
    expect(recorded.filter(({ floor, target = floor }) => floor > target)).toEqual([])
    expect(() => parseFloors('{"a":{"floor":0}}')).toThrow()
  })
})

describe('ratioOf', () => {
  it('is the median of the quotients, not the quotient of the medians', () => {
    const times = [
      [10, 40, 60],
      [10, 20, 20],
    ] as const
    expect(ratioOf('k', ...times)).toEqual({ key: 'k', value: 2, best: 1, spread: 1 })
  })
})

describe('replaceSection', () => {
  const page = `before\n${RESULTS_START}\nold\n${RESULTS_END}\nafter\n`

  it('replaces what stands between the markers, again and again', () => {
    const once = replaceSection(page, '\nnew\n')
    expect(once).toBe(`before\n${RESULTS_START}\n\nnew\n\n${RESULTS_END}\nafter\n`)
    expect(replaceSection(once, 'new')).toBe(once)
  })

  it('replaces a page without markers, and refuses one with half of them', () => {
    expect(replaceSection('all of it', 'new')).toBe('new\n')
    expect(() => replaceSection(`x ${RESULTS_END} ${RESULTS_START}`, 'new')).toThrow(/bench:start/)
    expect(() => replaceSection(`x ${RESULTS_START}`, 'new')).toThrow(/bench:end/)
  })
})

describe('parseOptions', () => {
  it('takes parts in the order in which they run, and all but bulk and soak by default', () => {
    expect(parseOptions(['start', 'embed', '--passes', '7', '--check'])).toMatchObject({
      parts: ['embed', 'start'],
      passes: 7,
      check: true,
    })
    expect(parseOptions([])?.parts).toEqual(
      PART_NAMES.filter((name) => name !== 'bulk' && name !== 'soak'),
    )
    expect(parseOptions(['soak', '--minutes', '0.5'])).toMatchObject({
      parts: ['soak'],
      minutes: 0.5,
    })
    expect(parseOptions(['--help'])).toBeNull()
  })

  it.each([
    [['embd'], /no part "embd"; there are embed, http/],
    [['--passes', '0'], /--passes is "0"/],
    [['--minutes', '0'], /--minutes is "0"/],
    [['--passes', '1.5'], /--passes is "1.5"/],
    [['--nonsense'], /nonsense/],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message)
  })
})
