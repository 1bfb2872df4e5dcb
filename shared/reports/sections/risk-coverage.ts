import { drawCurves } from '../charts/curve-chart.ts'
import type { ReportRiskCoverage } from '../figure-types.ts'
import { tellRange } from '../figures.ts'
import { formatCount, formatNumber, formatPercent } from '../format.ts'
import { element } from '../markup.ts'
import type { TrainingReport } from '../types.ts'
import { type PlainContent, plainSection } from './plain.ts'

/** Error among the answered rows where only the surest answers are given. */
export const riskCoverageSection = plainSection(
  'Answering only when sure',
  (report) => {
    const found = findRisk(report)
    if (found === null) return null
    const { risk, rows, place } = found
    if (report.multiLabel) return describeDecisions(risk, rows, report.labels.length)
    return {
      sentences: [
        `Error among the answered rows where only the surest are answered, on ${formatCount(rows)} ${place}. The mean error over all ` +
          `shares (AURC) is ${formatPercent(risk.area, 2)}; ${formatPercent(risk.bestArea, 2)} is the least that so many errors allow.`,
      ],
      table: tabulate(risk),
    }
  },
  (report) => {
    const found = findRisk(report)
    if (found === null) return null
    const { points } = found.risk
    const frame = {
      id: 'risk',
      title: 'Risk and coverage',
      description:
        'Error among the answered rows by the share that is answered, the surest first, each with its interval.',
      xTitle: 'share answered, the surest first',
      told: (value: number) => formatPercent(value, 0),
      toldX: (value: number) => formatPercent(value, 0),
      yDomain: [0, Math.max(0.02, ...points.map(({ risk }) => risk))] as const,
    }
    const curve = {
      name: 'error among the answered',
      // Of a handful of rows the interval is nearly everything.
      points: points
        .filter(({ coverage }) => coverage >= FIRST_SHOWN)
        .map(({ coverage, risk, low, high }) => ({ x: coverage, y: risk, low, high })),
    }
    return curve.points.length === 0 ? null : element('figure', {}, drawCurves(frame, [curve]))
  },
  true,
)

const FIRST_SHOWN = 0.1

/** With several labels a row an answer is one decision: whether the row has the label. */
function describeDecisions(risk: ReportRiskCoverage, rows: number, labels: number): PlainContent {
  return {
    sentences: [
      `Every label is decided for itself: ${formatCount(rows * labels)} decisions on ${formatCount(rows)} test rows. The confidence of a ` +
        'decision is the probability of what was decided, the label or its absence. Error among the decisions taken where ' +
        `only the surest are; the mean error over all shares (AURC) is ${formatPercent(risk.area, 2)}, ` +
        `${formatPercent(risk.bestArea, 2)} is the least that so many errors allow. Most decisions are absences, so errors are few.`,
    ],
    table: tabulate(risk),
  }
}

function tabulate({ atRisk }: ReportRiskCoverage): NonNullable<PlainContent['table']> {
  return {
    label: 'Share that can be answered at an error',
    header: ['Error up to', 'Answered', 'Confidence from', '95 % interval of the error'],
    rows: atRisk.map(({ risk: most, coverage, confidence, low, high }) => [
      formatPercent(most, 0),
      confidence === null ? 'none' : formatPercent(coverage),
      confidence === null ? '' : formatNumber(confidence),
      confidence === null ? '' : tellRange({ low, high }),
    ]),
    firstNumeric: 0,
  }
}

function findRisk({
  test,
  outOfFold,
}: TrainingReport): { risk: ReportRiskCoverage; rows: number; place: string } | null {
  if (outOfFold?.riskCoverage !== undefined) {
    const place = 'training rows that the folds held out'
    return { risk: outOfFold.riskCoverage, rows: outOfFold.rows, place }
  }
  if (test?.riskCoverage === undefined) return null
  return { risk: test.riskCoverage, rows: test.rows, place: 'test rows' }
}
