import { nameRecommendation } from './fine-tuning.ts'
import {
  formatBytes,
  formatCount,
  formatNumber,
  formatParameter,
  formatPercent,
  formatPoints,
} from './format.ts'
import type { ReportFineTuning } from './types.ts'

/** Points of the curve that a table lists; longer ones are thinned evenly. */
const MAX_POINTS = 20

/** The recommendation as heading and sentence. */
export function tellRecommendation({ recommendation }: ReportFineTuning): [string, string] {
  return [nameRecommendation(recommendation), recommendation.why]
}

/** Header and rows of the comparison on the test rows. */
export function tabulateContenders({ contenders }: ReportFineTuning): {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
} {
  const rows = contenders.map(({ name, accuracy, interval, gain, macroF1, ece }) => [
    name,
    formatPercent(accuracy),
    interval === null ? '' : `${formatPercent(interval.low)} to ${formatPercent(interval.high)}`,
    gain === null
      ? ''
      : `${formatPoints(gain.difference)} (${formatPoints(gain.low)} to ${formatPoints(gain.high)})`,
    formatPercent(macroF1),
    formatPercent(ece),
  ])
  const header = [
    'Encoder and head',
    'Accuracy',
    '95 % interval',
    'Gain in points',
    'Macro-F1',
    'ECE',
  ]
  return { header, rows }
}

/** Header and rows of the curve, thinned where it is long; the last point stays. */
export function tabulateCurve({ curve }: ReportFineTuning): {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
} {
  const stride = Math.max(1, Math.ceil(curve.length / MAX_POINTS))
  const kept = curve.filter((_, at) => (curve.length - 1 - at) % stride === 0)
  const rows = kept.map((point) => [
    formatCount(point.step),
    formatNumber(point.seconds, 1),
    formatNumber(point.trainLoss),
    formatNumber(point.validationLoss),
    formatPercent(point.validationAccuracy),
  ])
  return { header: ['Step', 'Seconds', 'Loss', 'Validation loss', 'Validation accuracy'], rows }
}

const BASES = {
  validation: 'chosen on',
  'cross-validation': 'chosen by cross-validation of the training on',
  given: 'as it was asked for',
  none: 'there was nothing to choose it by',
} as const

/** Which interpolation of base and tuned weights was kept, and the accuracy at each alpha. */
export function tellBlend({ blend }: Pick<ReportFineTuning, 'blend'>): string {
  const { alpha, basis, rows, scores } = blend
  if (scores.length === 0) return `alpha ${alpha}: ${BASES[basis]}`
  const told = scores.map(({ alpha: each, accuracy, gain, error }) => {
    const over = each === 0 ? '' : ` (${formatPoints(gain)} ± ${(100 * error).toFixed(1)})`
    return `${each}: ${formatPercent(accuracy)}${over}`
  })
  return `alpha ${alpha}, ${BASES[basis]} ${formatCount(rows)} rows; right at ${told.join(', ')}`
}

/** What was done, as terms and values. */
export function listFineTuning(report: ReportFineTuning): [string, string][] {
  const { base, settings, rows, stopped, steps, bestStep, epochs, memory } = report
  return [
    ['Base encoder', `${base.model}, ${base.precision}`],
    ['Base family', base.family],
    ...Object.entries(settings).map(([key, value]): [string, string] => [
      key,
      formatParameter(value),
    ]),
    ['Trained parameters', formatCount(report.trainedParameters)],
    ['Rows', `${formatCount(rows.train)} to learn, ${formatCount(rows.validation)} to validate`],
    ['Ended', `${stopped} after ${formatCount(steps)} steps, ${formatNumber(epochs, 1)} epochs`],
    ['Weights kept', `of step ${formatCount(bestStep)}`],
    ['Interpolation', tellBlend(report)],
    ['Head', `${report.head.chosen}: ${report.head.why}`],
    [
      'Memory',
      `${formatBytes(memory.peakBytes)} at most, ${formatBytes(memory.predictedBytes)} predicted`,
    ],
  ]
}
