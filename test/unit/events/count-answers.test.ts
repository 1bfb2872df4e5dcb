import { describe, expect, it } from 'vitest'
import {
  type Answers,
  answersQuery,
  countAnswers,
  findFault,
} from '../../../functions/events/count-answers.ts'
import { type LogEvent, searchLogs } from '../../fakes/fake-log-insights.ts'

const line = (heads: string | undefined, status: number, fields: object = {}): LogEvent => ({
  atMs: 1000,
  line: { msg: 'request', status, durationMs: 10, ...(heads && { heads }), ...fields },
})
const failed = (heads: string, status: number, errorCode: string) =>
  line(heads, status, { errorCode })

/** What is counted of lines, by the query that AWS would be asked. */
function count(label: string, lines: readonly LogEvent[]): Answers {
  const logs = new Map([['group', [...lines]]])
  const rows = searchLogs(logs, answersQuery(label), { groups: ['group'], start: 0, end: 9 })
  if (rows === null) throw new Error('the query is not understood')
  return countAnswers(
    rows.map((row) => Object.fromEntries(row.map(({ field, value }) => [field, value]))),
  )
}

describe('answers of a version', () => {
  it('are those of its lines, alone or among others, and of no other name or version', () => {
    const lines = [
      line('intent@v2', 200),
      line('topic@v1, intent@v2', 200),
      line('intent@v2, topic@v1', 200),
      line('intent@v22', 200),
      line('intent@v1', 200),
      line('my-intent@v2', 200),
      line('topic@v2', 200),
      line(undefined, 200),
      { atMs: 1000, line: { msg: 'step of a bake', heads: 'intent@v2', status: 200 } },
      { ...line('intent@v2', 200), atMs: 99_000 },
    ]
    expect(count('intent@v2', lines)).toEqual({ answered: 3, failed: 0, p95Ms: 10 })
    const dotted = [line('a.b@v1', 200), line('a-b@v1', 200)]
    expect(count('a.b@v1', dotted)).toMatchObject({ answered: 1 })
  })

  it('are failures where the fault is the server’s and may be the version’s', () => {
    const label = 'intent@v2'
    const lines = [
      line(label, 200),
      failed(label, 500, 'internal'),
      failed(label, 500, 'artifact_corrupt'),
      failed(label, 503, 'object_unreadable'),
      failed(label, 500, 'encoder_stuck'),
      line(label, 500),
      // Of the caller.
      failed(label, 400, 'invalid_request'),
      failed(label, 413, 'input_too_large'),
      failed(label, 429, 'overloaded'),
      failed(label, 499, 'request_cancelled'),
      failed(label, 504, 'deadline_exceeded'),
      // Of the machine, whatever the version.
      failed(label, 503, 'shutting_down'),
      failed(label, 503, 'model_loading'),
      failed(label, 503, 'registry_unavailable'),
    ]
    expect(count(label, lines)).toMatchObject({ answered: 1, failed: 5 })
  })

  it('take as long as 95 of 100 do; failures take no time', () => {
    const times = Array.from({ length: 100 }, (_, i) =>
      line('intent@v2', 200, { durationMs: i + 1 }),
    )
    const slow = line('intent@v2', 500, { errorCode: 'internal', durationMs: 9000 })
    expect(count('intent@v2', [...times, slow])).toMatchObject({ p95Ms: 95 })
    expect(count('intent@v2', [slow])).toEqual({ answered: 0, failed: 1, p95Ms: null })
    expect(count('intent@v2', [])).toEqual({ answered: 0, failed: 0, p95Ms: null })
  })
})

describe('what speaks against a version', () => {
  const seen = { label: 'intent@v3', minutes: 4 }
  const limits = { errors: 0.05, latencyMs: 200 }
  const fault = (answers: Partial<Answers>, given = limits as Parameters<typeof findFault>[1]) =>
    findFault({ answered: 0, failed: 0, p95Ms: null, ...answers }, given, seen)

  it('is a share of failures, with the figure', () => {
    expect(fault({ answered: 68, failed: 12 })).toBe(
      'bake: 12 of 80 answers of intent@v3 failed within 4 minutes',
    )
    expect(fault({ answered: 95, failed: 5 })).toBeNull()
    expect(fault({ answered: 94, failed: 6 })).not.toBeNull()
    expect(fault({ answered: 0, failed: 20 })).toContain('20 of 20 answers')
  })

  it.each([
    ['nothing', { answered: 0, failed: 0 }],
    ['too few answers', { answered: 0, failed: 19 }],
    ['two failures, which happen to every version', { answered: 18, failed: 2 }],
    ['slow answers, but too few', { answered: 19, p95Ms: 9000 }],
    ['answers that are as slow as they may be', { answered: 100, p95Ms: 200 }],
  ])('is not %s', (_, answers) => {
    expect(fault(answers)).toBeNull()
  })

  it('is the time to answer, where it has a limit', () => {
    expect(fault({ answered: 80, p95Ms: 2400.4 })).toBe(
      'bake: the 95th percentile of 80 answers of intent@v3 was 2400 ms within 4 minutes, above 200 ms',
    )
    expect(fault({ answered: 80, p95Ms: 2400 }, { errors: 0.05, latencyMs: null })).toBeNull()
  })

  it('is any failure beyond the third where no share is allowed', () => {
    const strict = { errors: 0, latencyMs: null }
    expect(fault({ answered: 1000, failed: 3 }, strict)).toContain('3 of 1003')
    expect(fault({ answered: 1000, failed: 2 }, strict)).toBeNull()
  })
})
