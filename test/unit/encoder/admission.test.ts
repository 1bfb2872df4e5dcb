import { describe, expect, it } from 'vitest'
import { Admission, type Load, type NewWork } from '../../../shared/encoder/admission.ts'
import { DrainRate } from '../../../shared/encoder/drain-rate.ts'

const LIMITS = { maxQueueTokens: 1000, maxQueueWaitMs: 500 }

/** A queue of one caller. */
function loadOf(queuedTokens: number, changes: Partial<Load> = {}): Load {
  const view = { ahead: queuedTokens, ownTokens: queuedTokens, ownBytes: 0, callers: 1, shares: 2 }
  return { queuedTokens, queuedBytes: 0, runningTokens: 0, workers: 1, view, ...changes }
}

function work(tokens: number, changes: Partial<NewWork> = {}): NewWork {
  return { tokens, bytes: 0, lastTokens: tokens, ...changes }
}

function refusal(retryAfterSeconds: number) {
  return expect.objectContaining({ code: 'overloaded', retryAfterSeconds })
}

describe('the bounds of the queue', () => {
  it('hold, but for one large request when nothing waits', () => {
    const admission = new Admission(LIMITS)
    admission.check(work(50_000), loadOf(0))
    admission.check(work(100), loadOf(900))
    expect(() => admission.check(work(100), loadOf(901))).toThrow(/queue is full/)
  })

  it('hold for bytes', () => {
    const admission = new Admission({ ...LIMITS, maxQueueBytes: 1000 })
    admission.check(work(1, { bytes: 400 }), loadOf(1, { queuedBytes: 600 }))
    const full = loadOf(1, { queuedBytes: 601 })
    expect(() => admission.check(work(1, { bytes: 400 }), full)).toThrow(refusal(1))
  })

  it('leave a fair part to a caller while another fills the queue', () => {
    const admission = new Admission(LIMITS)
    const view = { ahead: 100, ownTokens: 0, ownBytes: 0, callers: 2, shares: 1 }
    admission.check(work(250), loadOf(1000, { view }))
    expect(() => admission.check(work(251), loadOf(1000, { view }))).toThrow(/queue is full/)
    const own = { ...view, ownTokens: 900 }
    expect(() => admission.check(work(200), loadOf(1000, { view: own }))).toThrow(/queue is full/)
  })
})

describe('the speed of the workers', () => {
  const slow = () => {
    const admission = new Admission({ ...LIMITS, maxQueueTokens: 1_000_000 })
    admission.rate.finished(100, 100, 0, false)
    return admission
  }

  it('refuses what would wait too long, and says when it would be let in', () => {
    const admission = slow()
    admission.check(work(10), loadOf(900, { workers: 2 }))
    expect(() => admission.check(work(10), loadOf(4000, { workers: 2 }))).toThrow(refusal(2))
    expect(() => admission.check(work(10), loadOf(5001, { workers: 2 }))).toThrow(refusal(3))
    expect(admission.waitedTooLong(10_000_000, 2).retryAfterSeconds).toBe(60)
  })

  it('refuses what would not be done in its time: running, waiting and own work count', () => {
    const admission = slow()
    const timeoutMs = 1000
    admission.check(work(200, { timeoutMs }), loadOf(300, { runningTokens: 200 }))
    for (const [own, queued, running] of [
      [201, 300, 200],
      [200, 301, 200],
      [200, 300, 201],
      [600, 0, 200],
    ] as const) {
      const load = loadOf(queued, { runningTokens: running })
      expect(() => admission.check(work(own, { timeoutMs }), load)).toThrow(refusal(1))
    }
  })

  it('counts small requests that will pass a large one', () => {
    const admission = slow()
    const view = { ahead: 10, ownTokens: 10, ownBytes: 0, callers: 1, shares: 8 }
    const large = work(320, { lastTokens: 10, timeoutMs: 2000 })
    expect(() => admission.check(large, loadOf(10, { view }))).toThrow(refusal(2))
    admission.check(large, loadOf(10, { view: { ...view, shares: 2 } }))
    admission.check(large, loadOf(0, { runningTokens: 10, view: { ...view, ahead: 0, shares: 1 } }))
  })

  it('is learned again however slow it once was: what meets nothing is always let in', () => {
    const admission = new Admission(LIMITS)
    admission.rate.finished(1, 60_000, 0, false)
    admission.check(work(100, { timeoutMs: 10 }), loadOf(0))
  })
})

describe('DrainRate', () => {
  it('is that of all workers by their own time, weighted by tokens', () => {
    const rate = new DrainRate()
    expect(rate.tokensPerMs(2)).toBeNull()
    rate.finished(2, 10, 0, false)
    rate.finished(1000, 100, 1, false)
    expect(rate.tokensPerMs(2)).toBeCloseTo(2 * (1002 / 110), 0)
  })

  it('is that of the machine where this is slower, and follows it', () => {
    const rate = new DrainRate()
    for (let now = 0; now <= 1000; now += 100) rate.finished(500, 50, now, true)
    expect(rate.tokensPerMs(2)).toBeCloseTo(5, 5)
    for (let now = 1050; now <= 30_000; now += 50) rate.finished(500, 50, now, true)
    expect(rate.tokensPerMs(2)).toBeGreaterThan(9)
    for (let now = 31_000; now <= 33_000; now += 1000) rate.finished(500, 50, now, true)
    expect(rate.tokensPerMs(2)).toBeLessThan(1)
  })

  it('does not count time in which nothing waited', () => {
    const rate = new DrainRate()
    for (let now = 0; now <= 10_000; now += 1000) rate.finished(500, 50, now, false)
    expect(rate.tokensPerMs(1)).toBeCloseTo(10, 5)
  })
})
