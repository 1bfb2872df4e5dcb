import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { estimateTokens, jobBudget, planJob } from '../../../shared/encoder/plan.ts'
import { RequestQueue } from '../../../shared/encoder/queue.ts'

const requests = fc.array(fc.array(fc.integer({ min: 2, max: 512 }), { minLength: 1 }), {
  maxLength: 40,
})
const budgets = fc.integer({ min: 1, max: 2048 })

interface Fake {
  readonly name: number
  readonly estimates: readonly number[]
  readonly enqueuedAt: number
  next: number
}

function fill(sizes: readonly (readonly number[])[]): RequestQueue<Fake> {
  const queue = new RequestQueue<Fake>()
  sizes.forEach((estimates, name) => {
    queue.add({ name, estimates, enqueuedAt: name, next: 0 })
  })
  return queue
}

describe('planning', () => {
  test('takes every input exactly once and in order', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const queue = fill(sizes)
        const positions = sizes.map(() => 0)
        while (queue.inputs > 0) {
          for (const { request, from, count } of queue.take(budget)) {
            expect(from).toBe(positions[request.name])
            positions[request.name] = from + count
          }
        }
        expect(positions).toEqual(sizes.map((estimates) => estimates.length))
        expect(queue.tokens).toBe(0)
        expect(queue.take(budget)).toEqual([])
      }),
    )
  })

  test('keeps the budget unless one input is larger', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const takes = planJob(
          sizes.map((estimates) => ({ estimates, next: 0 })),
          budget,
        )
        const taken = takes.flatMap(({ request, count }) => sizes[request]?.slice(0, count) ?? [])
        const total = taken.reduce((sum, tokens) => sum + tokens, 0)
        if (taken.length > 1) expect(total).toBeLessThanOrEqual(budget)
        else expect(taken).toHaveLength(Math.min(1, sizes.length))
      }),
    )
  })

  test('the oldest request moves on in every job: nothing starves', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const queue = fill(sizes)
        let oldest = -1
        while (queue.inputs > 0) {
          const first = queue.take(budget)[0]?.request.name as number
          expect(first).toBeGreaterThanOrEqual(oldest)
          oldest = first
        }
      }),
    )
  })

  test('a small request shares the next job with a large one before it', () => {
    const large = Array(2000).fill(32)
    const takes = planJob(
      [large, [10], [12, 12]].map((estimates) => ({ estimates, next: 0 })),
      1024,
    )
    expect(takes.map(({ request }) => request)).toEqual([0, 1, 2])
    expect(takes[2]?.count).toBe(2)
    expect(takes[0]?.count).toBeGreaterThan(20)
  })
})

describe('job size', () => {
  test('a short queue is shared between the workers, a long one is cut', () => {
    expect(jobBudget(400, 2)).toBe(200)
    expect(jobBudget(20, 4)).toBe(64)
    expect(jobBudget(1_000_000, 2)).toBe(1024)
  })

  test('token estimates grow with the bytes up to the length of the encoder', () => {
    expect(estimateTokens(0, 256)).toBe(2)
    expect(estimateTokens(40, 256)).toBe(12)
    expect(estimateTokens(5_000_000, 256)).toBe(256)
  })
})

describe('queue', () => {
  test('removing a request takes its waiting tokens along', () => {
    fc.assert(
      fc.property(requests, budgets, fc.nat(), (sizes, budget, pick) => {
        const queue = new RequestQueue<Fake>()
        const all = sizes.map((estimates, name) => ({ name, estimates, enqueuedAt: name, next: 0 }))
        for (const request of all) queue.add(request)
        queue.take(budget)
        const gone = all[pick % Math.max(1, all.length)]
        if (gone) queue.remove(gone)
        const left = all.filter((request) => request !== gone)
        const waiting = left.flatMap(({ estimates, next }) => estimates.slice(next))
        expect(queue.inputs).toBe(waiting.length)
        expect(queue.tokens).toBe(waiting.reduce((sum, tokens) => sum + tokens, 0))
      }),
    )
  })

  test('only requests of which nothing was taken grow too old', () => {
    const queue = fill([[5, 5, 5], [5], [5]])
    queue.take(5)
    expect(queue.removeOlderThan(2).map(({ name }) => name)).toEqual([1])
    expect(queue.inputs).toBe(3)
  })
})
