import { describe, expect, it } from 'vitest'
import {
  type Outcome,
  type RequestKind,
  simulateLoad,
  TOKENS_PER_MS,
  tokensOf,
  WORKERS,
} from '../../fakes/simulate-load.ts'

const SHORT: RequestKind = { texts: 1, bytes: 72, share: 0.9 }
const BATCH: RequestKind = { texts: 32, bytes: 72, share: 0.08 }
const LONG: RequestKind = { texts: 64, bytes: 900, share: 0.014 }
const LARGE: RequestKind = { texts: 600, bytes: 72, share: 0.001 }

function count(outcomes: readonly Outcome[], wanted: Outcome['outcome']): number {
  return outcomes.filter(({ outcome }) => outcome === wanted).length
}

/** The part of the workers' time that went into answers. */
function useOf(outcomes: readonly Outcome[], seconds: number): number {
  const answered = outcomes.filter(({ outcome }) => outcome === 'answered')
  const tokens = answered.reduce((sum, { kind }) => sum + tokensOf(kind), 0)
  return tokens / (seconds * 1000 * WORKERS * TOKENS_PER_MS)
}

describe('at twice the capacity', () => {
  it.each([
    ['short texts', [{ ...SHORT, share: 1 }], 0],
    ['a mixture', [SHORT, BATCH, LONG, LARGE], 0],
    ['a mixture on workers that are not steady', [SHORT, BATCH, LONG, LARGE], 0.8],
  ])(
    'of %s: who is let in is answered in time, and the workers work',
    async (_what, kinds, noise) => {
      const load = { kinds, times: 2, seconds: 10, patienceMs: 2000, noise }
      const outcomes = await simulateLoad(load)
      const [answered, late] = [count(outcomes, 'answered'), count(outcomes, 'late')]
      expect(answered / (answered + late)).toBeGreaterThan(0.95)
      expect(count(outcomes, 'refused')).toBeGreaterThan(0)
      expect(useOf(outcomes, 10) * (1 + noise / 2)).toBeGreaterThan(0.5)
    },
  )
})

describe('Retry-After', () => {
  it('is the time after which the request would be let in, were it alone', async () => {
    const kinds = [{ ...SHORT, share: 1 }]
    const outcomes = await simulateLoad({ kinds, times: 3, seconds: 8, patienceMs: 4000 })
    const refused = outcomes.filter(({ outcome }) => outcome === 'refused')
    expect(new Set(refused.map(({ retryAfterSeconds }) => retryAfterSeconds))).toEqual(new Set([1]))
  })
})

describe('callers with keys', () => {
  const key = (name: string, weight = 1) => ({ name, weight })
  /** When each of two callers was answered, while the first one asks for far more than there is. */
  async function share(greedy: RequestKind, modest: RequestKind) {
    const load = { kinds: [greedy, modest], times: 3, seconds: 8, maxQueueTokens: 40_000 }
    const outcomes = await simulateLoad(load)
    const of = (kind: RequestKind) => outcomes.filter((each) => each.kind === kind)
    return { greedy: of(greedy), modest: of(modest) }
  }

  it('who ask for little do not wait for one who asks for too much', async () => {
    const greedy = { ...BATCH, share: 0.9, caller: key('greedy') }
    const modest = { ...SHORT, share: 0.1, caller: key('modest') }
    const answers = await share(greedy, modest)
    expect(count(answers.greedy, 'refused')).toBeGreaterThan(50)
    expect(count(answers.modest, 'refused')).toBe(0)
    const waits = answers.modest
      .filter(({ outcome }) => outcome === 'answered')
      .map(({ arrivedMs, endedMs }) => endedMs - arrivedMs)
    expect(waits.length).toBeGreaterThan(30)
    expect(Math.max(...waits)).toBeLessThan(500)
  })

  it('who both ask for too much get parts by their weight', async () => {
    const double = { ...BATCH, share: 0.5, caller: key('double', 2) }
    const single = { ...BATCH, share: 0.5, caller: key('single') }
    const { greedy, modest } = await share(double, single)
    const ratio = count(greedy, 'answered') / count(modest, 'answered')
    expect(ratio).toBeGreaterThan(1.7)
    expect(ratio).toBeLessThan(2.3)
  })
})
