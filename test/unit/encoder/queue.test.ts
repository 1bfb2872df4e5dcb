import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Item, ItemTable } from '../../../shared/encoder/item.ts'
import { FairQueue, type Queueable, type QueueCaller } from '../../../shared/encoder/queue.ts'
import { CPU_GROUPING } from '../../../shared/runtime/grouping.ts'

const requests = fc.array(fc.array(fc.integer({ min: 2, max: 512 }), { minLength: 1 }), {
  maxLength: 40,
})
const budgets = fc.integer({ min: 1, max: 2048 })

interface Fake extends Queueable<Fake> {
  readonly name: number
  readonly items: Item<Fake>[]
}

const lane = new ItemTable<Fake>().lane({
  prompt: '',
  truncate: true,
  truncationDirection: 'right',
  normalize: true,
  projection: 0,
  memories: [],
})

function makeRequest(name: number, sizes: readonly number[], caller?: QueueCaller): Fake {
  const request: Fake = { name, items: [], ...(caller && { caller }) }
  for (const [index, tokens] of sizes.toSorted((a, b) => b - a).entries()) {
    const key = `${name} ${index}`
    const item = new Item<Fake>(lane, key, key, { bytes: 4 * tokens, tokens, pixels: 0 }, null)
    item.waiters.push({ request, index })
    request.items.push(item)
  }
  return request
}

function fill(
  sizes: readonly (readonly number[])[],
  limits = CPU_GROUPING,
): [FairQueue<Fake>, Fake[]] {
  const queue = new FairQueue<Fake>(limits)
  const made = sizes.map((list, name) => makeRequest(name, list))
  for (const request of made) queue.add(request)
  return [queue, made]
}

function sumTokens(items: readonly Item<Fake>[]): number {
  return items.reduce((sum, { tokens }) => sum + tokens, 0)
}

describe('taking', () => {
  test('takes every item exactly once', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const [queue, made] = fill(sizes)
        const seen = new Set<Item<Fake>>()
        while (queue.items > 0) {
          const taken = queue.take(budget)
          expect(taken.length).toBeGreaterThan(0)
          for (const item of taken) {
            expect(seen.has(item)).toBe(false)
            seen.add(item)
          }
        }
        expect(seen.size).toBe(made.flatMap(({ items }) => items).length)
        expect(queue.tokens).toBe(0)
        expect(queue.take(budget)).toEqual([])
      }),
    )
  })

  test('keeps the bytes of a job unless one item is larger, and leaves nothing behind', () => {
    const maxBytes = 1_000
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const [queue, made] = fill(sizes, { ...CPU_GROUPING, maxBytes })
        let taken = 0
        while (queue.items > 0) {
          const items = queue.take(budget)
          taken += items.length
          const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
          if (items.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes)
        }
        expect(taken).toBe(made.flatMap(({ items }) => items).length)
        expect(queue.bytes).toBe(0)
      }),
    )
  })

  test('keeps the budget unless one item is larger', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const [queue] = fill(sizes)
        while (queue.items > 0) {
          const taken = queue.take(budget)
          if (taken.length > 1) expect(sumTokens(taken)).toBeLessThanOrEqual(budget)
        }
      }),
    )
  })

  test('a job of several runs holds what came first, whatever its length', () => {
    const [queue, [first, second]] = fill([
      [300, 200, 2],
      [100, 90, 80, 70],
    ])
    const taken = queue.take(2048)
    expect(taken).toHaveLength(7)
    expect(taken[0]).toBe(first?.items[0])
    const own = taken.filter((item) => item.waiters[0]?.request === second)
    expect(own).toEqual(second?.items)
  })

  test('small requests behind a large one are in the next job but one', () => {
    const [queue] = fill([Array(2000).fill(32), [10], [12, 12]])
    queue.take(512)
    const names = queue.take(512).map((item) => item.waiters[0]?.request.name)
    expect(names.slice(0, 3).toSorted()).toEqual([1, 2, 2])
    expect(names.length).toBeGreaterThan(10)
  })

  test('small requests that keep coming do not hold up a large one for longer than its share', () => {
    const [queue, [large]] = fill([Array(200).fill(30)])
    let served = 0
    for (let round = 0; (large as Fake).items.some(({ state }) => state === 'waiting'); round++) {
      // As much new work as a job takes: without fairness the large request would never move.
      for (let i = 0; i < 16; i++) queue.add(makeRequest(1000 + round * 16 + i, [32]))
      served += sumTokens(queue.take(512))
    }
    const own = sumTokens((large as Fake).items)
    // Eight times its own tokens, and what had come before the last of them had its turn.
    expect(served).toBeLessThan(9 * own)
  })

  test('the oldest waiting item is always next', () => {
    fc.assert(
      fc.property(requests, budgets, (sizes, budget) => {
        const [queue, made] = fill(sizes)
        while (queue.items > 0) {
          const waiting = made.flatMap(({ items }) => items).filter((i) => i.state === 'waiting')
          const oldest = waiting.reduce((a, b) =>
            b.turn < a.turn || (b.turn === a.turn && b.serial < a.serial) ? b : a,
          )
          expect(queue.take(budget)[0]).toBe(oldest)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('removing', () => {
  test('what is removed is not taken, and its tokens no longer count', () => {
    fc.assert(
      fc.property(requests, budgets, fc.nat(), (sizes, budget, pick) => {
        const [queue, made] = fill(sizes)
        queue.take(budget)
        const gone = made[pick % Math.max(1, made.length)]
        for (const item of gone?.items ?? []) queue.remove(item)
        const left = made.flatMap(({ items }) => items).filter(({ state }) => state === 'waiting')
        expect(queue.items).toBe(left.length)
        expect(queue.tokens).toBe(sumTokens(left))
        const taken = new Set<Item<Fake>>()
        while (queue.items > 0) for (const item of queue.take(budget)) taken.add(item)
        expect(taken).toEqual(new Set(left))
      }),
    )
  })

  test('many withdrawn requests leave nothing behind', () => {
    const [queue, [first]] = fill([[7]])
    for (let round = 0; round < 50; round++) {
      const request = makeRequest(round, Array(200).fill(9))
      queue.add(request)
      for (const item of request.items) queue.remove(item)
    }
    expect(queue.tokens).toBe(7)
    expect(queue.take(64)).toEqual(first?.items)
  })
})

describe('callers', () => {
  const [a, b] = [
    { name: 'a', weight: 1 },
    { name: 'b', weight: 3 },
  ]
  /** Tokens of a caller that the next jobs of 64 tokens hold. */
  const take = (queue: FairQueue<Fake>, jobs: number, made: readonly Fake[]) => {
    const taken = new Set(Array.from({ length: jobs }, () => queue.take(64)).flat())
    return made.map(({ items }) => sumTokens(items.filter((item) => taken.has(item))))
  }

  test('every item of all of them is taken exactly once', () => {
    const names = fc.constantFrom(undefined, a, b)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(fc.integer({ min: 2, max: 99 })), names)),
        budgets,
        (list, budget) => {
          const queue = new FairQueue<Fake>(CPU_GROUPING)
          const made = list.map(([sizes, caller], name) => makeRequest(name, sizes, caller))
          for (const request of made) queue.add(request)
          const taken: Item<Fake>[] = []
          while (queue.items > 0) taken.push(...queue.take(budget))
          expect(new Set(taken)).toEqual(new Set(made.flatMap(({ items }) => items)))
          expect(taken).toHaveLength(new Set(taken).size)
          expect([queue.tokens, queue.bytes]).toEqual([0, 0])
        },
      ),
    )
  })

  test('take turns by weight, however much each of them asks for', () => {
    const queue = new FairQueue<Fake>(CPU_GROUPING)
    const made = [makeRequest(0, Array(900).fill(8), a), makeRequest(1, Array(300).fill(8), b)]
    for (const request of made) queue.add(request)
    const [ofA, ofB] = take(queue, 20, made) as [number, number]
    expect(ofB / ofA).toBeCloseTo(3, 0)
  })

  test('who comes later begins with what is being served, and saves up nothing', () => {
    const queue = new FairQueue<Fake>(CPU_GROUPING)
    const early = makeRequest(0, [8], a)
    queue.add(early)
    expect(take(queue, 1, [early])).toEqual([8])
    const busy = makeRequest(1, Array(900).fill(8), { name: 'c', weight: 1 })
    queue.add(busy)
    take(queue, 40, [busy])
    const back = makeRequest(2, Array(900).fill(8), a)
    queue.add(back)
    const [ofBack, ofBusy] = take(queue, 20, [back, busy]) as [number, number]
    expect(ofBack / ofBusy).toBeCloseTo(1, 0)
  })

  test('see before them their own, and a fair part of others', () => {
    const queue = new FairQueue<Fake>(CPU_GROUPING)
    queue.add(makeRequest(0, Array(100).fill(10), a))
    queue.add(makeRequest(1, [5], b))
    expect(queue.view(b, 10)).toMatchObject({ ahead: 5 + 5, ownTokens: 5, callers: 2, shares: 2 })
    expect(queue.view(a, 10)).toMatchObject({ ahead: 1000 + 5, callers: 2 })
    expect(queue.view({ name: 'new', weight: 1 }, 10)).toMatchObject({ ahead: 15, callers: 3 })
    expect(queue.view(null, 10)).toMatchObject({ ownTokens: 0, callers: 3, shares: 1 })
  })
})
