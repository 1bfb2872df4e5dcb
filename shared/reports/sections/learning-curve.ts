import { drawCurves } from '../charts/curve-chart.ts'
import type { ReportCurveFigure, ReportLearningCurve } from '../figure-types.ts'
import { tellRange } from '../figures.ts'
import { formatCount, formatPercent, formatPoints } from '../format.ts'
import { element } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { plainSection } from './plain.ts'

/** Gains that are shown as the same are not compared. */
const SHOWN = 0.0005
const FEWEST_POINTS = 4

/** Accuracy by the number of rows, beside what is reached without pretraining. */
export const learningCurveSection = plainSection(
  'Learning curve',
  (report) => {
    const { learningCurve: curve } = report
    if (curve == null || curve.points.length === 0) {
      const why = tellMissing(report)
      return why === null ? null : { sentences: [why] }
    }
    const what = report.multiLabel ? 'Exact matches' : 'Accuracy'
    return {
      sentences: [tellMeasured(report, curve), ...tellForecast(curve), ...tellPretraining(curve)],
      table: {
        label: 'Learning curve as a table',
        header: ['Rows learnt', what, '95 % interval', 'TF-IDF', '95 % interval', 'Draws'],
        rows: curve.points.map(({ rows, draws, head, tfIdf }) => [
          formatCount(rows),
          ...tellFigure(head),
          ...(tfIdf === null ? ['', ''] : tellFigure(tfIdf)),
          formatCount(draws),
        ]),
        firstNumeric: 0,
        folded: true,
      },
    }
  },
  ({ learningCurve: curve, multiLabel }) => {
    if (curve == null) return null
    const along = (
      series: number,
      name: string,
      of: (point: Point) => ReportCurveFigure | null,
    ) => ({
      ...{ name, series },
      points: curve.points.flatMap((point) => {
        const figure = of(point)
        if (figure === null) return []
        return [{ x: point.rows, y: figure.accuracy, ...figure.interval }]
      }),
    })
    const frame = {
      id: 'learning',
      title: 'Learning curve',
      description:
        'Accuracy by the number of rows learnt, each with its interval; the table below holds the numbers.',
      xTitle: 'rows learnt, doubling',
      told: (value: number) => formatPercent(value, 0),
      logTicks: curve.points.map(({ rows }) => rows),
      toldX: formatCount,
    }
    const curves = [
      along(0, `this head, ${multiLabel ? 'exact matches' : 'accuracy'}`, ({ head }) => head),
      along(2, 'without pretraining (TF-IDF)', ({ tfIdf }) => tfIdf),
    ].filter(({ points }) => points.length > 0)
    return element('figure', {}, drawCurves(frame, curves))
  },
  true,
)

/** Heads that each point would take a whole training of say so. */
function tellMissing({ fineTuning, adapted }: TrainingReport): string | null {
  if (fineTuning !== undefined) {
    return 'There is none: each point would take a fine-tuning of its own.'
  }
  if (adapted === true) {
    return 'There is none: an adapted head is measured on another domain, which few source rows say nothing of.'
  }
  return null
}

type Point = ReportLearningCurve['points'][number]

function tellFigure({ accuracy, interval }: ReportCurveFigure): string[] {
  return [formatPercent(accuracy), tellRange(interval)]
}

function tellMeasured({ split }: TrainingReport, { on, rows }: ReportLearningCurve): string {
  const answered =
    on === 'test'
      ? rows < split.testRows
        ? `${formatCount(rows)} of the test rows, the last point on all`
        : `the ${formatCount(rows)} test rows`
      : `the ${formatCount(rows)} training rows that the folds held out`
  return `The same method with the settings that all rows chose, fitted to fewer rows and measured on ${answered}.`
}

function tellForecast({ points, forecast }: ReportLearningCurve): string[] {
  const last = points.at(-1)
  if (last === undefined) return []
  if (last.head.accuracy === 1) {
    return ['Nothing is wrong with all rows: what further ones would bring does not show here.']
  }
  if (forecast === null) {
    return points.length < FEWEST_POINTS
      ? ['So few sizes do not say what further rows would bring.']
      : ['The points follow no power law closely enough to say what further rows would bring.']
  }
  const { gain, low, high, rows } = forecast
  const range = `${formatPoints(low).replace('+', '')} to ${formatPoints(high).replace('+', '')}`
  return [
    `Twice the rows, ${formatCount(rows)}, are likely to bring ${formatPoints(gain)} points (${range}), if the error goes on ` +
      'falling as it has.',
  ]
}

/** Where pretraining is worth most: told where the head is clearly ahead with few rows. */
function tellPretraining({ points }: ReportLearningCurve): string[] {
  const known = points.flatMap(({ rows, head, tfIdf }) =>
    tfIdf === null
      ? []
      : [
          {
            rows,
            gain: head.accuracy - tfIdf.accuracy,
            isClear: head.interval.low > tfIdf.interval.high,
          },
        ],
  )
  const [first, last] = [known[0], known.at(-1)]
  if (first === undefined || last === undefined || first === last) return []
  const gains = [first, last].map(
    ({ rows, gain }) => `${formatPoints(gain)} points at ${formatCount(rows)} rows`,
  )
  const told = `over TF-IDF, which knows no other texts, the head gains ${gains.join(' and ')}`
  return first.isClear && first.gain - last.gain > SHOWN
    ? [`Pretraining is worth most where rows are few: ${told}.`]
    : [`${told.replace(/^o/, 'O')}.`]
}
