import { findModality } from '../../../../shared/dataset/texts.ts'
import type { AuditResult } from '../../../../shared/jobs/audit/audit-rows.ts'
import type { CommandContext } from '../../context.ts'
import { openInput } from '../../options/input.ts'
import { encoderFor, openJobParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { textReading } from '../../options/text-reading.ts'
import { formatShare } from '../../output/number-format.ts'
import { noteReading } from '../../output/progress.ts'
import { EXIT_FAILURE } from '../../output/report-error.ts'
import { writeReportFile } from '../../output/write-report.ts'
import type { AuditOptions } from './options.ts'
import { formatAudit, formatCsv } from './print.ts'

/** Audits a file; with `--fail-above` a finding is a failure, told after everything else. */
export async function auditFile(
  context: CommandContext,
  file: string,
  given: AuditOptions,
): Promise<void> {
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(given.quiet === true)
  try {
    const data = await openInput(context, file, given.format)
    const reading = labelledReading(boot, given, {
      ...{ signal, report: display.report },
      onNote: noteReading(display),
    })
    const { auditRows } = await import('../../../../shared/jobs/audit/audit-rows.ts')
    const options = { ...given, ...encoderFor(given, await findModality(data, reading)) }
    const { folds, seed } = given
    const result = await auditRows(await openJobParts(boot, options, signal), {
      ...{ data, reading, folds, seed, signal },
      textReading: textReading(options),
      onProgress: display.report,
    })
    display.stop()
    const quotes = given.quoteTexts === true
    for (const { code, message } of result.dataset.warnings) {
      // These are findings.
      if (code !== 'duplicates' && code !== 'contradictions') display.note(`warning: ${message}`)
    }
    if (given.output !== undefined) await writeReportFile(given.output, formatCsv(result, quotes))
    if (given.html !== undefined) {
      const { renderAuditPage } = await import('../../../../shared/reports/audit-page.ts')
      const page = renderAuditPage(result, { quotes })
      if (given.html === '-') await context.print(page.replace(/\n$/, ''))
      else await writeReportFile(given.html, page)
    }
    if (given.html === '-') return checkShare(context, result, given.failAbove)
    if (given.json === true) await context.print(toJson(result, quotes))
    else await context.print(formatAudit(result, { output: given.output, quotes, file }))
    checkShare(context, result, given.failAbove)
  } finally {
    display.stop()
  }
}

function checkShare(context: CommandContext, result: AuditResult, most: number | undefined): void {
  if (most === undefined) return
  // Several labels of a row may be in doubt.
  const doubted = result.found.filter(({ kind }) => kind === 'label').map(({ place }) => place)
  const share = new Set(doubted).size / result.rows
  if (share <= most) return
  const said = `${formatShare(share)} of the labels are likely wrong, more than ${formatShare(most)}`
  context.stderr.write(`espalier: ${said}\n`)
  context.exitWith(EXIT_FAILURE)
}

function toJson({ dataset, found, ...result }: AuditResult, quotes: boolean): string {
  const { warnings, ...summary } = dataset
  const rows = found.map(({ text, ...row }) => (quotes ? { ...row, text } : row))
  return JSON.stringify({ ...result, dataset: summary, warnings, found: rows }, null, 2)
}
