/** Where the results of a run stand in a page that also holds other text. */
export const RESULTS_START = '<!-- bench:start -->'
export const RESULTS_END = '<!-- bench:end -->'

/**
 * Puts text between the two markers of a page, in place of what stood there; a page without markers is replaced.
 * @throws Error when only one marker is there, or they are in the wrong order
 */
export function replaceSection(page: string, text: string): string {
  const start = page.indexOf(RESULTS_START)
  const end = page.indexOf(RESULTS_END)
  if (start < 0 && end < 0) return `${text.trim()}\n`
  if (start < 0 || end < start) {
    throw new Error(`the page must hold ${RESULTS_START} and, after it, ${RESULTS_END}`)
  }
  const before = page.slice(0, start + RESULTS_START.length)
  return `${before}\n\n${text.trim()}\n\n${page.slice(end)}`
}
