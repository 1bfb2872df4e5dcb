import type { Table } from './part-result.ts'

/** A table in Markdown. */
export function renderTable({ head, words, rows }: Table): string[] {
  const rule = head.map((_, column) => (column < words ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`)
}

/** A number with a fixed count of digits; a dash where there is none. */
export function fixed(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits)
}

/** A share in percent. */
export function percent(share: number): string {
  return `${fixed(100 * share)} %`
}
