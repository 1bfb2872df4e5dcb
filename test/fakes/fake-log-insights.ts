/** Lines of JSON in log groups, as CloudWatch Logs has them. */
export type LogGroups = Map<string, LogEvent[]>

/** One line of a log. */
export interface LogEvent {
  readonly atMs: number
  readonly line: Readonly<Record<string, unknown>>
}

/** Where and when a query looks. */
export interface LogRange {
  readonly groups: readonly string[]
  /** Seconds since 1970, both included. */
  readonly start: number
  readonly end: number
}

type Line = LogEvent['line']
type Row = { readonly field: string; readonly value: string }[]

const TERM = /^(?:(\w+) = "([^"]*)"|(\w+) like \/(.*)\/)$/
const COLUMN = /^(?:count\(\*\)|pct\((\w+), (\d+)\)) as (\w+)$/
const KEY = /^(?:(\w+)|coalesce\((\w+), (\w+)\) as (\w+))$/

/**
 * Does what Logs Insights does with the part of its language that is used here: `filter` by equality and expression,
 * one `stats` of counts and percentiles, `limit`. Null for any other query.
 */
export function searchLogs(logs: LogGroups, text: string, range: LogRange): Row[] | null {
  let lines = range.groups.flatMap((group) =>
    (logs.get(group) ?? [])
      .filter(({ atMs }) => atMs / 1000 >= range.start && Math.floor(atMs / 1000) <= range.end)
      .map(({ line }) => line),
  )
  let rows: Row[] = []
  // A bar in an expression is no pipe.
  for (const command of text.split(/ \| (?=filter|stats|limit)/)) {
    const [, name = '', rest = ''] = /^(\w+) (.*)$/.exec(command) ?? []
    if (name === 'filter') {
      const terms = rest.split(' and ').map((term) => TERM.exec(term))
      if (terms.includes(null)) return null
      lines = lines.filter((line) => terms.every((term) => holds(line, term!)))
    } else if (name === 'stats') {
      const found = summarize(lines, rest)
      if (found === null) return null
      rows = found
    } else if (name === 'limit') {
      rows = rows.slice(0, Number(rest))
    } else return null
  }
  return rows
}

function holds(
  line: Line,
  [, field = '', value, liked = '', source = '']: RegExpExecArray,
): boolean {
  if (value !== undefined) return line[field] === value
  return line[liked] !== undefined && new RegExp(source).test(String(line[liked]))
}

function summarize(lines: readonly Line[], text: string): Row[] | null {
  const [columnText = '', keyText = ''] = text.split(' by ')
  const split = (list: string) => list.split(/, (?![^(]*\))/)
  const columns = split(columnText).map((each) => COLUMN.exec(each))
  const keys = split(keyText).map((each) => KEY.exec(each))
  if (columns.includes(null) || keys.includes(null)) return null
  const keyOf = (line: Line): Row =>
    keys.flatMap((key) => {
      const [, plain, first = '', second = '', name = ''] = key!
      const value = plain ? line[plain] : (line[first] ?? line[second])
      return value === undefined ? [] : [{ field: plain ?? name, value: String(value) }]
    })
  const groups = new Map<string, Line[]>()
  for (const line of lines) {
    const key = JSON.stringify(keyOf(line))
    groups.set(key, [...(groups.get(key) ?? []), line])
  }
  return [...groups].map(([key, members]) => [
    ...(JSON.parse(key) as Row),
    ...columns.flatMap((column) => {
      const [, of, percent, field = ''] = column!
      const value = of === undefined ? members.length : percentile(members, of, Number(percent))
      return value === undefined ? [] : [{ field, value: String(value) }]
    }),
  ])
}

/** The nearest rank. */
function percentile(lines: readonly Line[], field: string, percent: number): number | undefined {
  const values = lines.flatMap((line) => (typeof line[field] === 'number' ? [line[field]] : []))
  const sorted = values.sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]
}
