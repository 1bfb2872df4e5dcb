import { escapeMarkdown, toCodeSpan } from './escape.ts'
import { formatCount, formatDate } from './format.ts'
import { REPORT_SECTIONS } from './sections/list.ts'
import type { TrainingReport } from './types.ts'

/** The report as Markdown: short, readable in a terminal as in a browser, user text inert. */
export function renderMarkdown(report: TrainingReport): string {
  const sections = REPORT_SECTIONS.map(({ markdown }) => markdown(report))
  return [`# ${toCodeSpan(report.published ?? report.name)}`, introduce(report), ...sections]
    .filter((part) => part !== null)
    .join('\n\n')
    .concat('\n')
}

function introduce({ method, encoder, created, labels, multiLabel }: TrainingReport): string {
  const kind = multiLabel ? 'labels, several per text' : 'labels'
  return (
    `Trained ${escapeMarkdown(formatDate(created))} on ${toCodeSpan(encoder.model)} (${escapeMarkdown(encoder.precision)}), ` +
    `${formatCount(labels.length)} ${kind}. Method ${toCodeSpan(method.name)}: ${escapeMarkdown(method.why)}`
  )
}
