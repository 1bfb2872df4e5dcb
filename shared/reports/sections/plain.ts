import { escapeMarkdown } from '../escape.ts'
import { shorten } from '../format.ts'
import { type Child, element, type Markup } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownList, markdownTable } from './markdown.ts'
import { card, type ReportSection, scrollTable, tableFallback } from './section.ts'

/** What a section says in words and numbers, as plain text: each form of the report makes its own of it. */
export interface PlainContent {
  /** Whole sentences, each a paragraph. */
  readonly sentences?: readonly string[] | undefined
  /** Whole sentences as a list. */
  readonly points?: readonly string[] | undefined
  readonly table?: PlainTable | undefined
}

/** A table of text; columns after the first lean right unless `firstNumeric` says otherwise. */
export interface PlainTable {
  /** What it holds, for readers that do not see it. */
  readonly label: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly firstNumeric?: number | undefined
  /** The page shows it only when asked. @default false */
  readonly folded?: boolean | undefined
}

const MAX_TEXT = 600

/**
 * A section of sentences and a table, the same in the page and in Markdown. `describe` gives null where there is
 * nothing to say; `draw` adds a chart to the page.
 */
export function plainSection(
  title: string,
  describe: (report: TrainingReport) => PlainContent | null,
  draw?: (report: TrainingReport) => Child,
  half = false,
): ReportSection {
  return {
    half,
    html(report) {
      const content = describe(report)
      return content && renderPlain(title, content, draw?.(report) ?? null)
    },
    markdown(report) {
      const content = describe(report)
      return content && showPlain(title, content)
    },
  }
}

/** Sentences and a table as a card of a page, with a chart between them where there is one. */
export function renderPlain(title: string, content: PlainContent, chart: Child = null): Markup {
  return card(title, ...renderContent(content, chart))
}

/** The same as Markdown, without the chart. */
export function showPlain(title: string, content: PlainContent): string {
  return [`## ${title}`, ...showContent(content)].join('\n\n')
}

function renderContent({ sentences = [], points = [], table }: PlainContent, chart: Child) {
  const list =
    points.length === 0
      ? null
      : element(
          'ul',
          {},
          points.map((point) => element('li', {}, shorten(point, MAX_TEXT))),
        )
  return [
    sentences.map((sentence) => element('p', {}, shorten(sentence, MAX_TEXT))),
    list,
    chart,
    table === undefined || table.rows.length === 0 ? null : renderTable(table),
  ]
}

function renderTable({ label, header, rows, firstNumeric = 1, folded }: PlainTable): Markup {
  return folded
    ? tableFallback(label, header, rows, firstNumeric)
    : scrollTable(header, rows, { firstNumeric, label })
}

function showContent({ sentences = [], points = [], table }: PlainContent): string[] {
  const parts = sentences.map((sentence) => escapeMarkdown(shorten(sentence, MAX_TEXT)))
  if (points.length > 0) parts.push(markdownList(points.map((point) => shorten(point, MAX_TEXT))))
  if (table !== undefined && table.rows.length > 0) {
    const { header, rows, firstNumeric = 1 } = table
    const numeric = header.flatMap((_, i) => (i >= firstNumeric ? [i] : []))
    parts.push(
      markdownTable(
        header,
        rows.map((row) => row.map(escapeMarkdown)),
        numeric,
      ),
    )
  }
  return parts
}
