import type { Clock } from '../../../shared/lib/clock.ts'
import type { ApiMiddleware, RequestRecord } from '../types.ts'

/** Puts the time into answers that did not bring it along: errors, probes, lists. */
export function addTimingHeaders(clock: Clock): ApiMiddleware {
  return async function setTimingHeaders(c, next) {
    await next()
    const record = c.get('record')
    if (record.answered) return
    for (const [name, value] of Object.entries(timingHeaders(record, clock))) c.header(name, value)
  }
}

/** Where the time went: `Server-Timing` for browsers, `x-…-time` in whole milliseconds as TEI does. */
export function timingHeaders(
  { usage, startedMs }: RequestRecord,
  clock: Clock,
): Record<string, string> {
  const totalMs = clock.monotonicMs() - startedMs
  const total = `total;dur=${totalMs.toFixed(2)}`
  if (!usage) return { 'server-timing': total }
  const { queueMs, tokenizeMs, runMs } = usage
  const stages = [
    total,
    stage('queue', queueMs),
    stage('tokenize', tokenizeMs),
    stage('run', runMs),
  ]
  return {
    'x-compute-time': toWhole(tokenizeMs + runMs),
    'x-total-time': toWhole(totalMs),
    'x-queue-time': toWhole(queueMs),
    'x-tokenization-time': toWhole(tokenizeMs),
    'x-inference-time': toWhole(runMs),
    'server-timing': stages.join(', '),
  }
}

function stage(name: string, ms: number): string {
  return `${name};dur=${ms.toFixed(2)}`
}

function toWhole(ms: number): string {
  return String(Math.round(ms))
}
