import type { Clock } from '../../../shared/lib/clock.ts'
import type { ApiMiddleware } from '../types.ts'

/** Says where the time went: `Server-Timing` for browsers, `x-…-time` in whole milliseconds as TEI does. */
export function timingHeaders(clock: Clock): ApiMiddleware {
  return async function setTimingHeaders(c, next) {
    await next()
    const { usage, startedMs } = c.get('record')
    const totalMs = clock.monotonicMs() - startedMs
    const stages: [string, number][] = [['total', totalMs]]
    if (usage) {
      stages.push(['queue', usage.queueMs], ['tokenize', usage.tokenizeMs], ['run', usage.runMs])
      c.header('x-compute-time', toWhole(usage.tokenizeMs + usage.runMs))
      c.header('x-total-time', toWhole(totalMs))
      c.header('x-queue-time', toWhole(usage.queueMs))
      c.header('x-tokenization-time', toWhole(usage.tokenizeMs))
      c.header('x-inference-time', toWhole(usage.runMs))
    }
    c.header('server-timing', stages.map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`).join(', '))
  }
}

function toWhole(ms: number): string {
  return String(Math.round(ms))
}
