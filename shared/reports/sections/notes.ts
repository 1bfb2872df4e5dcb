import { adviseOn, describeWarnings } from '../advice.ts'
import { shorten } from '../format.ts'
import { element } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { markdownList } from './markdown.ts'
import { card, type ReportSection } from './section.ts'

const MAX_WARNINGS = 50
const MAX_TEXT = 600

/** What was odd about the data, then advice. */
export const notesSection: ReportSection = {
  html(report) {
    const lines = tellNotes(report)
    if (lines.length === 0) return null
    const items = lines.map((line) => element('li', {}, line))
    return card('Warnings and advice', element('ul', {}, items))
  },
  markdown(report) {
    const lines = tellNotes(report)
    return lines.length === 0 ? null : `## Warnings and advice\n\n${markdownList(lines)}`
  },
}

function tellNotes(report: TrainingReport): string[] {
  const warnings = describeWarnings(report.dataset).slice(0, MAX_WARNINGS)
  return [...warnings.map((line) => shorten(line, MAX_TEXT)), ...adviseOn(report)]
}
