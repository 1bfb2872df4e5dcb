import { nameBaseline, nameMethod, tellFewRows, tellGain } from './advice-on-figures.ts'
import type { Measure, ReportBaselineFigures, ReportInterval } from './figure-types.ts'
import { formatCount, formatCounted, formatNumber, formatPercent, formatPoints } from './format.ts'
import { tellLabelNoise } from './label-noise-text.ts'
import { describeSplit } from './summary.ts'
import { tellAbstention } from './sure-answers-text.ts'
import type { TrainingReport } from './types.ts'

/** A figure with what it is called and what is said beside it. */
export interface Tile {
  readonly term: string
  readonly value: string
  readonly note: string
}

/** The figures of the test and of cross-validation, those first that say most, as terms and values. */
export function listFigures(report: TrainingReport): [string, string][] {
  const { test, crossValidation, repeatedCrossValidation: repeated, multiLabel } = report
  const accuracy = multiLabel ? 'Exact matches' : 'Accuracy'
  const rows: [string, string][] = []
  if (repeated != null) {
    const { folds, repeats } = repeated
    rows.push(
      [
        `${accuracy}, ${folds}-fold cross-validation, ${repeats} times`,
        showEstimate(repeated.accuracy, repeated.interval),
      ],
      ['Macro-F1, the same', formatPercent(repeated.macroF1)],
      ...microF1Row(report, 'Micro-F1, the same', repeated.microF1),
      ['Rows that were held out each time', formatCount(repeated.rows)],
    )
  }
  if (test !== null) {
    const of = repeated == null ? '' : ', test rows'
    rows.push(
      [`${accuracy}${of}`, showEstimate(test.accuracy, test.interval)],
      [`Macro-F1${of}`, showEstimate(test.macroF1, test.macroF1Interval)],
      ...microF1Row(report, `Micro-F1${of}`, test.microF1),
      ['Calibration error (ECE)', showEstimate(test.ece, test.eceInterval)],
      ['Negative log-likelihood', showNumber(test.nll, test.nllInterval)],
      ['Test rows', `${formatCount(test.rows)}, ${describeSplit(report)}`],
    )
  }
  if (crossValidation !== null) {
    rows.push(
      [`${accuracy}, cross-validated`, formatPercent(crossValidation.accuracy)],
      ...(multiLabel ? macroF1Row(crossValidation.macroF1) : []),
      ...microF1Row(report, 'Micro-F1, cross-validated', crossValidation.microF1),
    )
  }
  const intervals = [repeated?.interval, test?.interval, test?.macroF1Interval, test?.eceInterval]
  const methods = new Set(intervals.flatMap((interval) => (interval ? [nameMethod(interval)] : [])))
  if (methods.size > 0) rows.push(['95 % intervals', [...methods].join('; ')])
  return rows
}

function macroF1Row(value: Measure | undefined): [string, string][] {
  return value === undefined ? [] : [['Macro-F1, cross-validated', formatPercent(value)]]
}

/** With one label a row it equals the accuracy. */
function microF1Row(
  { multiLabel }: TrainingReport,
  term: string,
  value: Measure | undefined,
): [string, string][] {
  return !multiLabel || value === undefined ? [] : [[term, formatPercent(value)]]
}

/** The same as tiles of a page. */
export function listTiles(report: TrainingReport): Tile[] {
  const { test, crossValidation, repeatedCrossValidation: repeated, multiLabel } = report
  const accuracy = multiLabel ? 'Exact matches' : 'Accuracy'
  const tiles: Tile[] = []
  const add = (term: string, value: string, note: string) => tiles.push({ term, value, note })
  if (repeated != null) {
    const { folds, repeats, interval } = repeated
    const note = `${tellRange(interval)}, ${folds} folds, ${repeats} times`
    add(`${accuracy}, cross-validated`, formatPercent(repeated.accuracy), note)
  }
  if (test !== null) {
    const { interval } = test
    const note = interval === null ? 'on test rows' : tellRange(interval)
    add(repeated == null ? accuracy : `${accuracy}, test`, formatPercent(test.accuracy), note)
    const range =
      test.macroF1Interval == null ? 'mean over labels' : tellRange(test.macroF1Interval)
    add('Macro-F1', formatPercent(test.macroF1), range)
    if (multiLabel && test.microF1 !== undefined) {
      add('Micro-F1', formatPercent(test.microF1), 'all labels together')
    }
    const offBy = test.eceInterval == null ? 'confidence off by' : tellRange(test.eceInterval)
    add('ECE', formatPercent(test.ece), offBy)
    add('NLL', formatNumber(test.nll), 'nats per row')
    add('Test rows', formatCount(test.rows), describeSplit(report))
  }
  if (crossValidation !== null && repeated == null) {
    const note = `${multiLabel ? 'exact matches' : 'accuracy'}, training rows`
    add('Cross-validated', formatPercent(crossValidation.accuracy), note)
  }
  return tiles
}

/** The head and the baselines on the same rows; no rows where there are no baselines. */
export function tabulateBaselines(report: TrainingReport): {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
} {
  const { baselines = [], test, repeatedCrossValidation: repeated, multiLabel } = report
  const header = [
    'Answer',
    multiLabel ? 'Exact matches' : 'Accuracy',
    '95 % interval',
    'Macro-F1',
    'Gain of the head in points',
  ]
  const on = (
    place: string,
    head: Omit<ReportBaselineFigures, 'gain'> | null | undefined,
    of: (baseline: (typeof baselines)[number]) => ReportBaselineFigures | null,
  ): string[][] => {
    if (head == null || baselines.length === 0) return []
    const found = baselines.flatMap((baseline) => {
      const figures = of(baseline)
      return figures === null ? [] : [{ name: nameBaseline(baseline), ...figures }]
    })
    const all = [{ name: 'This head', ...head, gain: null }, ...found]
    return all.map(({ name, accuracy, interval, macroF1, gain }) => [
      `${name}, ${place}`,
      formatPercent(accuracy),
      interval === null ? '' : tellRange(interval),
      formatPercent(macroF1),
      gain === null
        ? ''
        : `${formatPoints(gain.difference)} (${formatPoints(gain.low)} to ${formatPoints(gain.high)})`,
    ])
  }
  const rows = [
    ...on('cross-validated', repeated, (baseline) => baseline.repeated),
    ...on('test rows', test, (baseline) => baseline.test),
  ]
  return { header, rows }
}

/** The figures as lines of a terminal, those that say most first: those of repeated cross-validation where few rows were held out. */
export function tellFigures(report: TrainingReport): string[] {
  const { test, crossValidation, repeatedCrossValidation: repeated, multiLabel } = report
  const accuracy = multiLabel ? 'exact matches' : 'accuracy'
  const told = (share: number | null, { low, high }: { low: number; high: number }): string =>
    `${formatPercent(share)} (95 % interval ${formatPercent(low)} to ${formatPercent(high)})`
  const lines: string[] = []
  if (repeated != null) {
    lines.push(
      `${accuracy} ${told(repeated.accuracy, repeated.interval)}, macro-F1 ${formatPercent(repeated.macroF1)}, ` +
        `cross-validated ${repeated.repeats} times on ${formatCounted(repeated.rows, 'row')}`,
    )
  }
  if (test !== null) {
    const { interval } = test
    lines.push(
      `${accuracy} ${interval === null ? formatPercent(test.accuracy) : told(test.accuracy, interval)}, ` +
        `macro-F1 ${formatPercent(test.macroF1)}, ECE ${formatPercent(test.ece)} on ${formatCounted(test.rows, 'test row')}`,
    )
  }
  const few = tellFewRows(report)
  if (few !== null) lines.push(few)
  if (crossValidation !== null && repeated == null) {
    lines.push(`${accuracy} ${formatPercent(crossValidation.accuracy)} cross-validated`)
  }
  for (const baseline of report.baselines ?? []) {
    const figures = baseline.repeated ?? baseline.test
    if (figures === null) continue
    const name = nameBaseline(baseline)
    lines.push(`${name}: ${formatPercent(figures.accuracy)}, the head ${tellGain(figures.gain)}`)
  }
  lines.push(...tellLabelNoise(report), ...tellAbstention(report))
  return lines
}

/** An interval as `29.2 % to 100.0 %`. */
export function tellRange({ low, high }: ReportInterval): string {
  return `${formatPercent(low)} to ${formatPercent(high)}`
}

function showEstimate(value: Measure, interval: ReportInterval | null | undefined): string {
  const range = interval == null ? '' : ` (${tellRange(interval)})`
  return `${formatPercent(value)}${range}`
}

function showNumber(value: Measure, interval: ReportInterval | null | undefined): string {
  const [low, high] = [formatNumber(interval?.low), formatNumber(interval?.high)]
  // Digits that are not shown tell nothing.
  return interval == null || low === high
    ? formatNumber(value)
    : `${formatNumber(value)} (${low} to ${high})`
}
