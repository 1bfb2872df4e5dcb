import { escapeMarkdown, toCodeSpan } from '../escape.ts'
import { shorten } from '../format.ts'

const MAX_LABEL = 60

/** A table of Markdown whose columns line up in a terminal; `numeric` columns lean right. Cells are Markdown. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): string {
  const widths = header.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (numeric.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`
  const rule = widths.map((width, i) =>
    numeric.includes(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  )
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

/** Rows whose first cell is text and whose others are numbers, with the text made inert. */
export function escapeCells(rows: readonly (readonly string[])[]): string[][] {
  return rows.map(([name = '', ...numbers]) => [escapeMarkdown(name), ...numbers])
}

/** Sentences that may quote user text, as a list. */
export function markdownList(lines: readonly string[]): string {
  return lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n')
}

/** A label as code, cut where it is long. */
export function markdownLabel(label: string): string {
  return toCodeSpan(shorten(label, MAX_LABEL))
}
