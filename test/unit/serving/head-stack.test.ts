import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stackHeads } from '../../../shared/head/columns.ts'
import type { CachedHead } from '../../../shared/serving/live/head-cache.ts'
import { HeadStack, type HeadStackOptions } from '../../../shared/serving/live/head-stack.ts'
import { createFakeEncoder } from '../../fakes/fake-encoder.ts'
import { createTestHead } from '../../fakes/heads.ts'

const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const

function createHead(key: string, labels = 3): CachedHead {
  const head = createTestHead(key, {}, labels)
  return { id: 1, key, head, answers: {}, bytes: 1, columns: labels }
}

function createStack(options: Partial<HeadStackOptions> = {}) {
  const encoder = options.encoder ?? createFakeEncoder()
  return new HeadStack({ encoder, maxColumns: 9, waitMs: 5_000, keeps: () => true, ...options })
}

/** The head's own scores of a vector. */
function scoresOf({ head }: CachedHead, vector: Float32Array): number[] {
  const { weights, bias } = stackHeads([head])
  return Array.from(bias, (start, c) =>
    vector.reduce((sum, x, i) => sum + x * (weights[c * vector.length + i] as number), start),
  )
}

describe('concurrent requests', () => {
  it('never see the columns of another head, whatever joins and leaves meanwhile', async () => {
    const heads = Array.from({ length: 8 }, (_, i) => createHead(`head-${i}`, 2 + (i % 4)))
    const request = fc.record({
      heads: fc.uniqueArray(fc.nat(heads.length - 1), { minLength: 1, maxLength: 4 }),
      text: fc.string({ minLength: 1 }),
    })
    const property = fc.asyncProperty(
      fc.scheduler(),
      fc.array(request, { minLength: 1, maxLength: 12 }),
      async (scheduler, requests) => {
        const encoder = createFakeEncoder({
          gate: () => scheduler.schedule(Promise.resolve()),
          projectionGate: () => scheduler.schedule(Promise.resolve()),
        })
        let dropped = 0
        const keeps = ({ key }: CachedHead) => key !== `head-${dropped++ % 8}`
        const stack = createStack({ encoder, keeps })
        const answers = requests.map(async ({ heads: indices, text }) => {
          await scheduler.schedule(Promise.resolve())
          const wanted = indices.map((index) => heads[index]!)
          const lease = await stack.lease(wanted)
          const batch = await encoder.encode([text], { ...OPTIONS, project: true })
          const layout = lease.layout(batch.projectionId)
          for (const head of wanted) {
            const from = layout.places.get(head)!.offset
            const own = batch.scores!.subarray(from, from + head.columns)
            scoresOf(head, batch.vectors).forEach((score, i) => {
              expect(own[i]).toBeCloseTo(score, 4)
            })
          }
          lease.release()
        })
        await scheduler.waitFor(Promise.all(answers))
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })

  it('change the projection once for all that wait', async () => {
    const ids: number[] = []
    const encoder = createFakeEncoder({
      projectionGate: async (projection) => void ids.push(projection!.columns),
    })
    const stack = createStack({ encoder, maxColumns: 30 })
    const first = stack.lease([createHead('a')])
    await Promise.all([first, ...['b', 'c', 'd'].map((key) => stack.lease([createHead(key)]))])
    expect(ids).toEqual([3, 12])
  })
})

describe('bounds', () => {
  it('serve a request wider than the bound alone, after those before it', async () => {
    const stack = createStack()
    const [small, wide] = [createHead('small'), createHead('wide', 20)]
    const first = await stack.lease([small])
    const waiting = stack.lease([wide])
    // Nobody overtakes it, though its head is in the projection.
    const behind = stack.lease([small])
    const order: string[] = []
    void waiting.then(() => order.push('wide'))
    void behind.then(() => order.push('behind'))
    first.release()
    const lease = await waiting
    expect(lease.layout(2).columns).toBe(20)
    lease.release()
    await behind
    expect(order).toEqual(['wide', 'behind'])
  })

  it('drop heads that nobody keeps, then the least used', async () => {
    const gone = createHead('gone')
    const stack = createStack({ keeps: (head) => head !== gone })
    for (const head of [createHead('a'), gone, createHead('b')]) {
      ;(await stack.lease([head])).release()
    }
    const last = await stack.lease([createHead('c')])
    const names = [...last.layout(4).places.keys()].map(({ key }) => key)
    expect(names.sort()).toEqual(['a', 'b', 'c'])
  })

  it('refuse a request that waits too long, and let the next one in', async () => {
    const stack = createStack({ waitMs: 20 })
    const held = await stack.lease([createHead('held', 9)])
    await expect(stack.lease([createHead('late')])).rejects.toMatchObject({ code: 'overloaded' })
    held.release()
    await stack.lease([createHead('next')])
  })

  it('forget a caller who left', async () => {
    const stack = createStack()
    const held = await stack.lease([createHead('held', 9)])
    const leaving = new AbortController()
    const waiting = stack.lease([createHead('gone')], leaving.signal)
    leaving.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'request_cancelled' })
    held.release()
    await expect(stack.lease([createHead('x')], leaving.signal)).rejects.toMatchObject({
      code: 'request_cancelled',
    })
  })

  it('tell those who wait when the workers refuse, and recover', async () => {
    let broken = true
    const encoder = createFakeEncoder({
      projectionGate: async () => {
        if (broken) throw new Error('refused')
      },
    })
    const stack = createStack({ encoder })
    await expect(stack.lease([createHead('a')])).rejects.toThrow('refused')
    broken = false
    await stack.lease([createHead('a')])
  })
})
