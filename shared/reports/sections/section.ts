import { shorten } from '../format.ts'
import { type Child, element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'

/** Thumbnails as data URIs, by the paths of their images. */
export type Thumbnails = ReadonlyMap<string, string>

/** A part of a report, in the page and in Markdown; null where there is nothing to say. */
export interface ReportSection {
  /** Stands beside the section after it where that is half too. */
  readonly half?: boolean | ((report: TrainingReport) => boolean) | undefined
  readonly html: (report: TrainingReport, thumbnails: Thumbnails) => Markup | null
  /** Starts with a heading of the second level, or belongs to the section before. */
  readonly markdown: (report: TrainingReport) => string | null
  /** Rules that the section needs beside those of the page. */
  readonly styles?: ((report: TrainingReport) => string) | undefined
}

/** A card with a heading. */
export function card(title: string, ...children: Child[]): Markup {
  return element('section', {}, element('h2', {}, title), ...children)
}

/** A plain table inside a closed `details`; columns after the first lean right. */
export function tableFallback(
  summary: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  firstNumeric = 1,
): Markup {
  const table = scrollTable(header, rows, { firstNumeric, label: summary })
  return element('details', {}, element('summary', {}, summary), table)
}

/** A plain table that scrolls where it is long; columns from `firstNumeric` on lean right. */
export function scrollTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { firstNumeric = 1, label }: { readonly firstNumeric?: number; readonly label: string },
): Markup {
  const kind = (i: number): string | null => (i >= firstNumeric ? 'n' : null)
  const heads = header.map((title, i) => element('th', { scope: 'col', class: kind(i) }, title))
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => element('td', { class: kind(i) }, cell))
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, heads)),
      element(
        'tbody',
        {},
        rows.map((row) => element('tr', {}, cells(row))),
      ),
    ),
  )
}

/** A label as code, cut where it is long. */
export function codeLabel(text: string, limit = 80): Markup {
  return element('code', {}, shorten(text, limit))
}
