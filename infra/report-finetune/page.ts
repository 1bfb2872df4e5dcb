/** Generated sections of a page, each between two markers of its own. */
const marker = (section: string, end: 'start' | 'end') => `<!-- ${section}:${end} -->`

/** Puts text between a section's markers, in place of what stood there. @throws Error without the markers */
export function replaceSection(page: string, section: string, text: string): string {
  const [from, to] = [marker(section, 'start'), marker(section, 'end')]
  const start = page.indexOf(from)
  const end = page.indexOf(to)
  if (start < 0 || end < start) throw new Error(`the page must hold ${from} and, after it, ${to}`)
  return `${page.slice(0, start + from.length)}\n\n${text.trim()}\n\n${page.slice(end)}`
}

/** A table of Markdown; columns after the first lean right. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const rule = header.map((_, i) => (i === 0 ? '---' : '---:'))
  return [header, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** A share in per cent with one decimal. */
export function percent(share: number): string {
  return (100 * share).toFixed(1)
}

/** A difference of shares in points, with its sign. */
export function points(difference: number): string {
  const text = (100 * Math.abs(difference)).toFixed(1)
  return Number(text) === 0 ? '0.0' : `${difference > 0 ? '+' : '−'}${text}`
}
