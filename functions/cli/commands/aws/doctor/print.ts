import type { CheckResult } from './check.ts'
import type { Report } from './run.ts'

const STATUSES = ['missing', 'warning', 'unknown', 'ok'] as const

/** What was found, a line for each check, with what to do below it. */
export function formatResults({ region, results }: Report): string {
  const width = Math.max(...results.map(({ check }) => check.length))
  const lines = results.flatMap((result) => formatResult(result, width))
  return [...lines, '', `${countByStatus(results)}${region ? `, in ${region}` : ''}`].join('\n')
}

function formatResult({ check, status, found, fix }: CheckResult, width: number): string[] {
  const line = `${status.padEnd('missing'.length)}  ${check.padEnd(width)}  ${found}`
  return fix === undefined ? [line] : [line, `${' '.repeat(width + 11)}→ ${fix}`]
}

function countByStatus(results: readonly CheckResult[]): string {
  return STATUSES.flatMap((status) => {
    const count = results.filter((result) => result.status === status).length
    return count > 0 ? [`${count} ${status}`] : []
  }).join(', ')
}
