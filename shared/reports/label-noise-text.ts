import type { ReportDoubtedLabel, ReportLabelNoise } from './figure-types.ts'
import { formatCount, formatCounted, formatPercent, shorten } from './format.ts'
import type { TrainingReport } from './types.ts'

/** Rows that are named in a sentence. */
const NAMED = 5
const MAX_LABEL = 40
const MAX_PLACE = 60

/** What cross-validation says of the labels, in sentences; nothing where none is in doubt. */
export function tellLabelNoise({ labelNoise, test, split }: TrainingReport): string[] {
  if (labelNoise == null || labelNoise.doubted === 0) return []
  const { noise } = labelNoise
  if (noise === null || noise <= 0) return [tellDoubted(labelNoise)]
  const lines = [tellNoisy(labelNoise)]
  if (test !== null && split.kind === 'stratified') {
    lines.push(
      `Of the test rows about as many labels are wrong: on right ones the accuracy is higher than it says.`,
    )
  }
  return lines
}

function tellNoisy(found: ReportLabelNoise): string {
  const { rows, noise, doubted, leftOut } = found
  const fit =
    leftOut === 0
      ? 'the fit learnt them'
      : `${leftOut === doubted ? 'the fit left them out' : `the fit left ${formatCount(leftOut)} of them out`}`
  return (
    `About ${formatPercent(noise, 0)} of the labels are likely wrong, ${formatCount(doubted)} of ` +
    `${formatCounted(rows, 'row')} by cross-validation, and ${fit}: ${nameDoubted(found)}`
  )
}

function tellDoubted(found: ReportLabelNoise): string {
  const { doubted, leftOut } = found
  const fit = leftOut === 0 ? '' : ', left out of the fit'
  return `${formatCounted(doubted, 'label')} in doubt by cross-validation${fit}: ${nameDoubted(found)}`
}

function nameDoubted({ doubted, examples }: ReportLabelNoise): string {
  const named = examples.slice(0, NAMED)
  return named.map(nameOne).join('; ') + (doubted > named.length ? '; …' : '')
}

function nameOne({ place, given, likelier, score }: ReportDoubtedLabel): string {
  const label = (text: string) => shorten(text, MAX_LABEL)
  return `${shorten(place, MAX_PLACE)} ${label(likelier)}, not ${label(given)} (${formatPercent(score, 0)})`
}
