import type { ReportAbstention, ReportPredictionSets } from './figure-types.ts'
import { formatCount, formatCounted, formatNumber, formatPercent } from './format.ts'
import type { TrainingReport } from './types.ts'

/** What a score to answer from brings, in sentences; nothing where none was asked for. */
export function tellAbstention({ sureAnswers }: TrainingReport): string[] {
  const found = sureAnswers?.abstention
  if (found == null) return []
  const { chosen, test, rows } = found
  if (chosen === null) return [tellNoScore(found)]
  const lines = [
    `Answers with a score from ${formatNumber(chosen.minScore)} on are right ${formatPercent(found.precision)} of the time at ` +
      `least, with 95 % confidence: ${formatPercent(chosen.answered / rows)} of ${formatCounted(rows, 'held-out row')} are ` +
      `answered so, ${formatPercent(chosen.right / chosen.answered)} of them rightly.`,
  ]
  if (test === null) return lines
  const share = test.answered === 0 ? '' : `, ${tellPrecision(test)}`
  lines.push(
    `Of ${formatCounted(test.rows, 'test row')} ${formatPercent(test.answered / test.rows)} are answered${share}; rows unlike ` +
      'the training data are not.',
  )
  return lines
}

function tellPrecision({
  answered,
  right,
  low,
  high,
}: NonNullable<ReportAbstention['test']>): string {
  return `${formatPercent(right / answered)} of them rightly (95 % interval ${formatPercent(low)} to ${formatPercent(high)})`
}

function tellNoScore({ precision, best, needed, rows }: ReportAbstention): string {
  const asked = `No score is shown to give answers that are right ${formatPercent(precision)} of the time`
  const most =
    best === null || best.low <= 0
      ? ''
      : `: at best ${formatPercent(best.low)} is shown with 95 % confidence, for ${formatPercent(best.answered / rows)} of ` +
        `${formatCounted(rows, 'held-out row')}`
  const fix =
    rows < needed ? `. It takes ${formatCount(needed)} rows that are all answered rightly` : ''
  return `${asked}${most}${fix}. The version abstains from nothing.`
}

/** What prediction sets hold, in sentences. */
export function tellSets(sets: ReportPredictionSets, labels: number): string[] {
  const { coverage, test, labelsWithTooFewRows: few } = sets
  const lines: string[] = []
  if (test !== null) {
    lines.push(
      `Prediction sets for ${formatPercent(coverage, 0)} hold the true label of ${formatPercent(test.covered)} of ` +
        `${formatCounted(test.rows, 'test row')} and ${formatNumber(test.meanSize)} labels on average: ` +
        `${formatPercent(test.single)} hold one, ${formatPercent(test.empty)} none.`,
    )
  }
  if (few > 0) {
    lines.push(
      few === labels
        ? `No label has the held-out rows that sets by label need for ${formatPercent(coverage, 0)}.`
        : `${formatCounted(few, 'label has', 'labels have')} too few held-out rows for sets by label at ` +
            `${formatPercent(coverage, 0)} and would stand in all of them.`,
    )
  }
  return lines
}
