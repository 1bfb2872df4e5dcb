import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseAlpha,
  type EvaluatedAlpha,
} from '../../../shared/finetune/interpolate/choose-alpha.ts'

const ROWS = 100

/** Answers of an alpha that is right on the first so many of 100 rows, but for some of them. */
function right(alpha: number, count: number, ...but: number[]): EvaluatedAlpha {
  const rows = new Uint8Array(ROWS).fill(1, 0, count)
  for (const row of but) rows[row] = 0
  return { alpha, right: rows }
}

describe('on many rows', () => {
  const choose = (evaluated: readonly EvaluatedAlpha[]) =>
    chooseAlpha(evaluated, { cautious: false }).alpha

  test('the most accurate alpha is kept', () => {
    expect(choose([right(0, 80), right(0.5, 83), right(1, 82)])).toBe(0.5)
  })

  test('of equal ones the smaller, down to the base', () => {
    expect(choose([right(0, 80), right(0.5, 82), right(1, 82)])).toBe(0.5)
    expect(choose([right(0, 82), right(0.5, 82), right(1, 80)])).toBe(0)
  })
})

describe('on few rows', () => {
  const choose = (evaluated: readonly EvaluatedAlpha[]) =>
    chooseAlpha(evaluated, { cautious: true }).alpha

  test('the base stays unless it is beaten by two standard errors', () => {
    // Three of 100 rows gained and none lost: 0.03, and 0.0171 twice is more.
    expect(choose([right(0, 80), right(1, 83)])).toBe(0)
    // Twelve gained, none lost: 0.12 against twice 0.0327.
    expect(choose([right(0, 80), right(1, 92)])).toBe(1)
    // Twelve gained and eight lost: 0.04 against twice 0.0446.
    expect(choose([right(0, 80), right(1, 92, 0, 1, 2, 3, 4, 5, 6, 7)])).toBe(0)
  })

  test('then the smallest alpha within a standard error of the best', () => {
    // Behind by one row of 100 that differs: 0.01, and its standard error is as large.
    expect(choose([right(0, 60), right(0.25, 70), right(0.5, 89), right(1, 90)])).toBe(0.5)
    expect(choose([right(0, 60), right(0.25, 70), right(0.5, 80), right(1, 90)])).toBe(1)
  })
})

test('gains are paired with the base, and so are their errors', () => {
  const { scores } = chooseAlpha([right(0, 50), right(0.5, 56, 0, 1)], { cautious: true })
  expect(scores[0]).toEqual({ alpha: 0, accuracy: 0.5, gain: 0, error: 0 })
  expect(scores[1]).toMatchObject({ alpha: 0.5, accuracy: 0.54 })
  expect(scores[1]?.gain).toBeCloseTo(0.04, 12)
  // statistics.stdev([1]*6 + [-1]*2 + [0]*92) / 10, of Python
  expect(scores[1]?.error).toBeCloseTo(0.028141058827, 10)
})

test('what is chosen never is less accurate than the base', () => {
  const rows = fc.array(fc.boolean(), { minLength: 30, maxLength: 30 })
  fc.assert(
    fc.property(fc.tuple(rows, rows, rows), fc.boolean(), (answers, cautious) => {
      const evaluated = answers.map((own, at) => ({
        alpha: at / 2,
        right: Uint8Array.from(own, Number),
      }))
      const { alpha, scores } = chooseAlpha(evaluated, { cautious })
      const chosen = scores.find((each) => each.alpha === alpha)
      if (alpha !== 0 && !cautious) expect(chosen?.gain).toBeGreaterThan(0)
      const best = Math.max(...scores.map(({ accuracy }) => accuracy))
      if (!cautious) expect(chosen?.accuracy).toBe(best)
      const isClear = scores.some(({ gain, error }) => gain > 2 * error)
      if (cautious && !isClear) expect(alpha).toBe(0)
    }),
  )
})
