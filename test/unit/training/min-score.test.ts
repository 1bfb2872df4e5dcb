import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { chooseMinScore } from '../../../shared/training/evaluation/choose-min-score.ts'

/** Answers whose share of right ones grows with the confidence: 1 − (1 − c)² / 2. */
function draw(rows: number, seed: number) {
  const random = createRandom(seed)
  const confidences = Float64Array.from({ length: rows }, () => random.next())
  const right = Uint8Array.from(confidences, (c) => Number(random.next() < 1 - (1 - c) ** 2 / 2))
  return { confidences, right }
}

/** The true precision of all answers from a confidence on: 1 − the mean of (1 − c)² / 2 above it. */
const truth = (from: number) => 1 - (1 - from) ** 2 / 6

describe('the score to answer from', () => {
  it.each([
    [600, 0.9],
    [2_000, 0.95],
    [6_000, 0.98],
  ])(
    'keeps its precision in 95 of 100 trainings: 200 draws of %i rows at %f',
    (rows, precision) => {
      let [missed, found, answered] = [0, 0, 0]
      for (let seed = 0; seed < 200; seed++) {
        const { confidences, right } = draw(rows, seed)
        const { chosen } = chooseMinScore(confidences, right, precision)
        if (chosen === null) continue
        found++
        answered += chosen.answered / rows
        if (truth(chosen.minScore) < precision) missed++
        expect(chosen.low).toBeGreaterThanOrEqual(precision)
      }
      // The promise is 5 % with the tries that it pays for; 10 of 200 and four standard errors.
      expect(missed).toBeLessThanOrEqual(10 + 4 * Math.sqrt(200 * 0.05 * 0.95))
      expect(found).toBeGreaterThan(190)
      // At most this share can be answered: where the true precision is just met.
      const most = Math.sqrt(6 * (1 - precision))
      expect(answered / found).toBeLessThan(most)
      expect(answered / found).toBeGreaterThan(0.6 * most)
    },
  )

  it('has the bound of Clopper and Pearson for the tries that were made', () => {
    const confidences = Float64Array.from({ length: 1_024 }, (_, i) => 1 - i / 2_000)
    const right = Uint8Array.from(confidences, (_, i) => Number(i < 1_000))
    const { chosen, needed } = chooseMinScore(confidences, right, 0.95)
    // scipy.stats.beta.ppf(1 - 0.05 / 10, 25, 1000) of all rows.
    expect(chosen).toMatchObject({ answered: 1_024, right: 1_000 })
    expect(1 - chosen!.low).toBeCloseTo(0.0385149149, 6)
    // ln(0.05 / 10) / ln(0.95) = 103.3
    expect(needed).toBe(104)
  })

  it('is none where the rows cannot show the precision, which is said with the best of them', () => {
    const { confidences, right } = draw(60, 1)
    const few = chooseMinScore(confidences, right, 0.98)
    expect(few.chosen).toBeNull()
    expect(few.needed).toBeGreaterThan(60)
    expect(few.best!.low).toBeLessThan(0.98)
    expect(few.best!.low).toBeGreaterThan(0.5)
    const wrong = chooseMinScore([0.9, 0.8, 0.7], [0, 0, 0], 0.9)
    expect(wrong).toMatchObject({ chosen: null, best: { right: 0, low: 0 } })
    expect(chooseMinScore([], [], 0.9)).toMatchObject({ rows: 0, chosen: null, best: null })
  })

  it('never parts rows of equal confidence', () => {
    const confidences = Float64Array.from({ length: 400 }, (_, i) => (i < 250 ? 0.9 : 0.4))
    const right = Uint8Array.from(confidences, (_, i) => Number(i < 250 || i % 2 === 0))
    const { chosen } = chooseMinScore(confidences, right, 0.9)
    expect(chosen).toMatchObject({ minScore: 0.9, answered: 250, right: 250 })
  })
})
