import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jobBudget, jobLimit, planRun } from '../../../shared/encoder/plan.ts'
import { CPU_GROUPING } from '../../../shared/runtime/grouping.ts'

const lengths = fc.array(fc.integer({ min: 2, max: 512 }), { maxLength: 80 })
const budgets = fc.integer({ min: 1, max: 2048 })

describe('planning a run', () => {
  test('takes the oldest first, each input at most once', () => {
    fc.assert(
      fc.property(lengths, budgets, (tokens, budget) => {
        const chosen = planRun(tokens, budget, CPU_GROUPING)
        expect(new Set(chosen).size).toBe(chosen.length)
        expect(chosen[0]).toBe(tokens.length > 0 ? 0 : undefined)
        expect(chosen.every((at) => at >= 0 && at < tokens.length)).toBe(true)
      }),
    )
  })

  test('keeps the padded budget and the waste limit unless one input is larger', () => {
    fc.assert(
      fc.property(lengths, budgets, (tokens, budget) => {
        const chosen = planRun(tokens, budget, CPU_GROUPING).map((at) => tokens[at] as number)
        if (chosen.length < 2) return
        const real = chosen.reduce((sum, length) => sum + length, 0)
        const padded = Math.max(...chosen) * chosen.length
        expect(padded).toBeLessThanOrEqual(budget)
        const { slackTokens, slackRatio } = CPU_GROUPING
        expect(padded - real).toBeLessThanOrEqual(slackTokens + slackRatio * real)
      }),
    )
  })

  test('passes over an input only for nearer ones, and among equals for older ones', () => {
    fc.assert(
      fc.property(lengths, budgets, (tokens, budget) => {
        const chosen = new Set(planRun(tokens, budget, CPU_GROUPING))
        for (const [at, length] of tokens.entries()) {
          if (chosen.has(at)) continue
          const younger = tokens.findIndex((other, i) => i > at && other === length)
          if (younger >= 0) expect(chosen.has(younger)).toBe(false)
        }
      }),
    )
  })

  test('chooses neighbours in length on both sides', () => {
    const chosen = planRun([20, 90, 21, 4, 19, 22, 20], 512, { slackTokens: 4, slackRatio: 0.05 })
    expect(chosen.toSorted((a, b) => a - b)).toEqual([0, 2, 4, 5, 6])
  })

  test('an input larger than the budget runs alone', () => {
    expect(planRun([600, 600, 5], 512, CPU_GROUPING)).toEqual([0])
  })
})

describe('job size', () => {
  test('a short queue is shared between the workers, a long one is cut', () => {
    expect(jobBudget(400, 2, 512)).toBe(200)
    expect(jobBudget(20, 4, 512)).toBe(64)
    expect(jobBudget(1_000_000, 2, 512)).toBe(512)
    expect(jobBudget(100, 0, 512)).toBe(100)
  })

  test('a job is one run, unless nobody waits for a single text', () => {
    expect(jobLimit(512, false)).toBe(512)
    const long = jobLimit(512, true)
    expect(long).toBeGreaterThan(2 * 512)
    expect(jobBudget(1_000_000, 2, long)).toBe(long)
    expect(jobBudget(400, 2, long)).toBe(200)
  })
})
