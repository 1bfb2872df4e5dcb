import { expect, test } from 'vitest'
import { Admission } from '../../../shared/encoder/admission.ts'

const LIMITS = { maxQueueTokens: 1000, maxQueueWaitMs: 500 }

test('accepts within the bound, and one large request when nothing waits', () => {
  const admission = new Admission(LIMITS)
  admission.check(0, 50_000, 1)
  admission.check(900, 100, 1)
  expect(() => admission.check(901, 100, 1)).toThrow(/queue is full/)
})

test('refuses when the queue drains too slowly, and says when to come back', () => {
  const admission = new Admission({ ...LIMITS, maxQueueTokens: 1_000_000 })
  admission.finished(100, 100)
  admission.check(900, 10, 2)
  expect(() => admission.check(4000, 10, 2)).toThrow(
    expect.objectContaining({ code: 'overloaded', retryAfterSeconds: 2 }),
  )
  expect(admission.overloaded(10_000_000, 2).retryAfterSeconds).toBe(60)
})
