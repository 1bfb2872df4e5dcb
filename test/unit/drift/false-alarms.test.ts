import { describe, expect, it } from 'vitest'
import { AnswerCounts } from '../../../shared/drift/answer-counts.ts'
import { answersNeeded, SHOWN_FALL } from '../../../shared/drift/power.ts'
import {
  type DriftResult,
  FALSE_ALARM_RATE,
  LEAST_ANSWERS,
  type ReferenceCounts,
  testDrift,
} from '../../../shared/drift/test-drift.ts'
import { createRandom, type Random } from '../../../shared/lib/maths/random.ts'

const LABELS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

/** What inputs are like: shares of labels, how sure a head is of them, and how many are like its training data. */
interface Traffic {
  readonly shares: readonly number[]
  /** Scores are 1 - (1 - u) ** sureness of an even u: the higher, the surer. */
  readonly sureness: number
  readonly inside: number
}

/** Rare labels beside frequent ones: the hardest for chi-square. */
const USUAL: Traffic = {
  shares: [0.5, 0.25, 0.12, 0.08, 0.04, 0.008, 0.002],
  sureness: 4,
  inside: 0.95,
}

function draw(traffic: Traffic, answers: number, random: Random): AnswerCounts {
  const counts = new AnswerCounts()
  const multiLabel = false
  for (let i = 0; i < answers; i++) {
    let left = random.next()
    const at = traffic.shares.findIndex((share) => {
      left -= share
      return left < 0
    })
    const label = LABELS[at < 0 ? 0 : at]!
    const score = 1 - (1 - random.next()) ** traffic.sureness
    const inDistribution = random.next() < traffic.inside
    counts.add({ label, score, labels: [], inDistribution }, { multiLabel })
  }
  return counts
}

function referenceOf(counts: AnswerCounts): ReferenceCounts {
  const { answers: rows, none, scores, scoreSum, judged, inside } = counts
  const labels = LABELS.map((label) => counts.labels.get(label) ?? 0)
  return { rows, labels, none, scores, scoreSum, inDistribution: { rows: judged, inside } }
}

const baselineOf = (reference: ReferenceCounts) => ({
  reference,
  head: { labels: LABELS, activation: 'softmax' as const },
})

function simulate(traffic: Traffic, rows: number, answers: number, runs: number): DriftResult[] {
  return Array.from({ length: runs }, (_, seed) => {
    const random = createRandom(seed + 1)
    const reference = referenceOf(draw(USUAL, rows, random))
    return testDrift(baselineOf(reference), draw(traffic, answers, random))!
  })
}

/** Share of the results in which something has a p-value below the rate. */
function shareBelow(results: readonly DriftResult[], rate: number, of: 'alarm' | 'labels'): number {
  const hits = results.filter(({ scores, inDistribution, labels }) => {
    const pValues = of === 'labels' ? [labels.pValue!] : [scores.pValue!, inDistribution.pValue!]
    return Math.min(...pValues) < rate
  })
  return hits.length / results.length
}

describe('false alarms', () => {
  it.each([
    { rows: 60, answers: 200, runs: 4000 },
    { rows: 400, answers: 1000, runs: 1500 },
    { rows: 1500, answers: 300, runs: 1500 },
  ])(
    'are no more than stated: a reference of $rows rows, $answers answers',
    ({ rows, answers, runs }) => {
      const results = simulate(USUAL, rows, answers, runs)
      for (const rate of [0.05, 0.01, 0.001]) {
        // Three standard errors of the simulation.
        const most = rate + 3 * Math.sqrt((rate * (1 - rate)) / runs)
        expect(shareBelow(results, rate, 'alarm')).toBeLessThanOrEqual(most)
        expect(shareBelow(results, rate, 'labels')).toBeLessThanOrEqual(most)
      }
      expect(results.filter(({ alarm }) => alarm).length).toBeLessThanOrEqual(
        runs * FALSE_ALARM_RATE + 3,
      )
    },
  )
})

describe('changes that are found', () => {
  /** Share of 100 windows of 1,000 answers, each against a reference of 750 rows of its own. */
  function found(traffic: Partial<Traffic>, is: (result: DriftResult) => boolean): number {
    const results = simulate({ ...USUAL, ...traffic }, 750, 1000, 100)
    return results.filter(is).length / results.length
  }

  it('are one input in ten that is foreign, of which a fifth passes', () => {
    const inside = 0.9 * USUAL.inside + 0.1 * 0.2
    expect(found({ inside }, (r) => r.inDistribution.drifted && r.alarm)).toBeGreaterThan(0.8)
  })

  it('are scores that fall by six points on average', () => {
    // The mean of 1 - (1 - u) ** k is k / (k + 1): from 80 to 74.
    expect(found({ sureness: 2.8 }, (r) => r.scores.drifted && r.alarm)).toBeGreaterThan(0.8)
  })

  it('are a label whose share is doubled, which gives no alarm', () => {
    const shares = [0.38, 0.25, 0.24, 0.08, 0.04, 0.008, 0.002]
    const isFound = ({ labels, moved }: DriftResult) => labels.drifted && moved[0]!.label !== null
    expect(found({ shares }, isFound)).toBeGreaterThan(0.8)
    expect(found({ shares }, ({ alarm }) => alarm)).toBe(0)
  })
})

describe('what cannot be told', () => {
  const random = createRandom(1)
  const reference = referenceOf(draw(USUAL, 750, random))

  it('is nothing with few answers, or with few rows behind the reference', () => {
    expect(testDrift(baselineOf(reference), draw(USUAL, 3, random))).toBeNull()
    expect(testDrift(baselineOf(reference), draw(USUAL, LEAST_ANSWERS - 1, random))).toBeNull()
    const small = referenceOf(draw(USUAL, 49, random))
    expect(testDrift(baselineOf(small), draw(USUAL, 1000, random))).toBeNull()
  })

  it('has no p-value: like inputs without a detector, labels of requests with their own threshold', () => {
    const window = new AnswerCounts()
    for (let i = 0; i < 500; i++) {
      const answer = { label: null, score: 0.9, labels: [], inDistribution: null }
      window.add(answer, { multiLabel: false, isUsual: false })
    }
    const result = testDrift(baselineOf(reference), window)!
    expect([result.inDistribution.pValue, result.labels.pValue]).toEqual([null, null])
    expect(result.moved).toEqual([])
    expect(result.scores.pValue).toBeLessThan(1e-6)
  })

  it('says how many answers it takes, by the power of the test itself', () => {
    const needed = answersNeeded(reference)!
    // The fall that it is about, in simulated windows of so many answers.
    const { rows, inside: like } = reference.inDistribution!
    const inside = like / rows - SHOWN_FALL
    const windows = Array.from({ length: 200 }, (_, seed) =>
      testDrift(baselineOf(reference), draw({ ...USUAL, inside }, needed, createRandom(seed + 9))),
    )
    const share = windows.filter((result) => result!.inDistribution.drifted).length / 200
    expect(share).toBeGreaterThan(0.85)
    expect(needed).toBeLessThan(1000)
    expect(answersNeeded(referenceOf(draw(USUAL, 60, random)))).toBeNull()
    expect(answersNeeded({ ...reference, inDistribution: null })).toBeGreaterThan(100)
  })
})

describe('several labels an input', () => {
  it('are tested one by one', () => {
    const window = new AnswerCounts()
    for (let i = 0; i < 1000; i++) {
      const labels =
        i % 4 === 0 ? [{ label: 'a' }, { label: 'b' }] : i % 4 === 1 ? [{ label: 'a' }] : []
      const answer = { label: labels[0]?.label ?? null, score: 0.5, labels, inDistribution: null }
      window.add(answer, { multiLabel: true })
    }
    const scores = window.scores
    const same = { rows: 1000, labels: [500, 250], none: 500, scores, scoreSum: 500 }
    const reference = { ...same, inDistribution: null }
    const head = { labels: ['a', 'b'], activation: 'sigmoid' as const }
    expect(testDrift({ reference, head }, window)!.labels.pValue).toBe(1)
    const moved = testDrift({ reference: { ...reference, labels: [500, 100] }, head }, window)!
    expect(moved.labels.drifted).toBe(true)
    expect(moved.moved[0]).toEqual({ label: 'b', expected: 0.1, observed: 0.25 })
    expect(moved.alarm).toBe(false)
  })
})
