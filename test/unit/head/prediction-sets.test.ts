import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAnswers, encodeAnswers } from '../../../shared/head/answers.ts'
import {
  keepScores,
  placesOf,
  roundDown,
  rowsForCoverage,
  ruleOfSets,
  type SetFacts,
} from '../../../shared/head/prediction-sets.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'

/** Facts of one label whose true probabilities are given. */
const factsOf = (...labels: number[][]): SetFacts => ({
  ...keepScores(labels.flat()),
  byLabel: labels.map(keepScores),
})

/** Probabilities of three labels, the surer the harder the noise lets them be, and the true one. */
function drawRow(random: ReturnType<typeof createRandom>, label: number) {
  const scores = [0, 1, 2].map((at) => {
    const noise = random.next() + random.next() + random.next()
    // Labels differ in how hard they are.
    return 2 * noise + (at === label ? 3 - label : 0)
  })
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0)
  return scores.map((score) => Math.exp(score) / total)
}

describe('prediction sets', () => {
  it('are cut at the order statistic that the correction for few rows names', () => {
    const nine = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    // ⌈10 · 0.9⌉ = 9: the ninth smallest of 1 − p, which is that of the lowest p. ⌈10 · 0.8⌉ = 8: the next one.
    const cut = (coverage: number) => ruleOfSets(factsOf(nine), { coverage }, 'a@v1').least[0]!
    expect(cut(0.9)).toBeCloseTo(0.1, 5)
    expect(cut(0.8)).toBeCloseTo(0.2, 5)
    expect(cut(0.75)).toBeCloseTo(0.2, 5)
    expect(cut(0.5)).toBeCloseTo(0.5, 5)
    // A row that lies on the cut stays in.
    expect(cut(0.9)).toBeLessThanOrEqual(0.1)
  })

  it('are refused where so few rows can promise nothing', () => {
    expect([0.5, 0.8, 0.9, 0.95, 0.99, 0.999].map(rowsForCoverage)).toEqual([1, 4, 9, 19, 99, 999])
    const eight = factsOf(Array.from({ length: 8 }, () => 0.5))
    expect(() => ruleOfSets(eight, { coverage: 0.9 }, 'a@v1')).toThrow(
      expect.objectContaining({
        code: 'unsupported_answer',
        param: 'prediction_set',
        message: expect.stringMatching(/needs 9 held-out rows; .*a@v1 8 were held out/),
      }),
    )
    expect(() => ruleOfSets(eight, { coverage: 0.9, byLabel: true }, 'a@v1')).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/9 held-out rows of a label/) }),
    )
  })

  it('by label hold labels with too few rows in every set, and count them', () => {
    const facts = factsOf(
      [0.5, 0.6],
      Array.from({ length: 19 }, (_, i) => (i + 1) / 20),
    )
    const rule = ruleOfSets(facts, { coverage: 0.9, byLabel: true }, 'a@v1')
    expect(rule.tooFewRows).toBe(1)
    expect(rule.least[0]).toBe(0)
    // ⌈20 · 0.9⌉ = 18 of 19: the second lowest.
    expect(rule.least[1]).toBeCloseTo(0.1, 5)
  })

  it.each([
    [0.5, 40],
    [0.9, 60],
    [0.9, 1_500],
    [0.95, 300],
  ])('cover %f of the rows, whatever the scores: 200 draws of %i', (coverage, rows) => {
    let covered = 0
    let tried = 0
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed)
      const held: number[][] = [[], [], []]
      for (let row = 0; row < rows; row++) {
        const label = random.below(3)
        held[label]!.push(drawRow(random, label)[label]!)
      }
      const { least } = ruleOfSets(factsOf(...held), { coverage }, 'a@v1')
      for (let row = 0; row < 50; row++) {
        const label = random.below(3)
        if (drawRow(random, label)[label]! >= least[label]!) covered++
        tried++
      }
    }
    // The promise is the lower end; (n + 1)⁻¹ and the distance of kept places lie above it. Rows of one draw share a
    // cut, whose coverage is beta distributed: both spreads count, four standard errors.
    const share = covered / tried
    const spread = Math.sqrt(
      (coverage * (1 - coverage)) / tried + (coverage * (1 - coverage)) / (rows + 2) / 200,
    )
    expect(share).toBeGreaterThan(coverage - 4 * spread)
    expect(share).toBeLessThan(coverage + 1 / (rows + 1) + 0.005 * (1 - coverage) + 4 * spread)
  })

  it('by label cover the rows of the hardest one as well', () => {
    const covered = { all: 0, own: 0 }
    let tried = 0
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed)
      const held: number[][] = [[], [], []]
      for (let row = 0; row < 300; row++) {
        const label = row % 3
        held[label]!.push(drawRow(random, label)[label]!)
      }
      const facts = factsOf(...held)
      const all = ruleOfSets(facts, { coverage: 0.9 }, 'a@v1')
      const own = ruleOfSets(facts, { coverage: 0.9, byLabel: true }, 'a@v1')
      for (let row = 0; row < 50; row++, tried++) {
        const p = drawRow(random, 2)[2]!
        if (p >= all.least[2]!) covered.all++
        if (p >= own.least[2]!) covered.own++
      }
    }
    expect(covered.all / tried).toBeLessThan(0.85)
    expect(covered.own / tried).toBeGreaterThan(0.89)
    expect(covered.own / tried).toBeLessThan(0.93)
  })

  it('keep few numbers of many rows, and never a cut that is too high', () => {
    expect(placesOf(30_000).length).toBeLessThan(1_200)
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0.5, max: 0.999, noNaN: true }),
        fc.integer(),
        (rows, coverage, seed) => {
          const random = createRandom(seed)
          const scores = Array.from({ length: rows }, () => random.next())
          if (rows < rowsForCoverage(coverage)) return
          const [cut] = ruleOfSets(factsOf(scores), { coverage }, 'a@v1').least
          const inside = scores.filter((score) => score >= cut!).length
          expect(inside).toBeGreaterThanOrEqual(Math.ceil((rows + 1) * coverage - 1e-9))
        },
      ),
      { seed: 4, numRuns: 100 },
    )
    fc.assert(
      fc.property(fc.float({ min: 0, max: 1, noNaN: true }), (p) => {
        expect(roundDown(p)).toBeLessThanOrEqual(p)
        expect(roundDown(p)).toBeGreaterThanOrEqual(p * (1 - 2e-6))
      }),
      { seed: 5 },
    )
  })

  it('go into the file of answers and back, and nothing else is taken for them', () => {
    const head = { labels: ['a', 'b'] }
    const sets = { ...factsOf([0.5, 0.9], [0.2]) } as Parameters<
      typeof encodeAnswers
    >[0]['sets'] & {}
    const bytes = encodeAnswers({ sets })!
    expect(decodeAnswers(bytes, head)).toEqual({ sets })
    const broken = (change: object) => () =>
      decodeAnswers(encodeAnswers({ sets: { ...sets, ...change } })!, head)
    expect(broken({ lowest: [0.1] })).toThrow('1 scores of 3 rows')
    expect(broken({ lowest: [0.9, 0.2] })).toThrow('sets.lowest: not in order')
    expect(broken({ lowest: [0.2, 1.5] })).toThrow('sets.lowest.1')
    expect(broken({ rows: 4 })).toThrow('scores of 3 rows by label, of 4 together')
    expect(broken({ byLabel: sets.byLabel.slice(1) })).toThrow('scores of 1 for 2 labels')
    const huge = {
      rows: 1e9,
      lowest: [0.1],
      byLabel: [
        { rows: 1e9, lowest: [] },
        { rows: 0, lowest: [] },
      ],
    }
    expect(broken(huge)).toThrow('scores of 1000000000 rows')
  })
})
