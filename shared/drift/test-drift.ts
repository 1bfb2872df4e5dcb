import type { Head } from '../head/head.ts'
import type { AnswerReference } from '../lib/manifests/answers-file.ts'
import {
  type CountTest,
  fisherExactTest,
  homogeneityTest,
  orderedBinsTest,
} from '../lib/maths/count-tests.ts'
import { type AnswerCounts, SCORE_BINS } from './answer-counts.ts'

/**
 * How often answers that are as ever are taken for others, at most: one test in 10,000. A process tests once an hour
 * at most, so that this is less than one false alarm in a year.
 */
export const FALSE_ALARM_RATE = 1e-4
/** Fewer answers, or rows behind a reference, are not tested. */
export const LEAST_ANSWERS = 100
export const LEAST_ROWS = 50
/** Labels that a result lists. */
const LISTED_LABELS = 5

/** What answers are compared with: those of one version on rows that it has not learnt, or in use. */
export type ReferenceCounts = Omit<AnswerReference, 'source'>

/** What a version is tested by. */
export interface DriftBaseline {
  readonly reference: ReferenceCounts
  readonly head: Pick<Head, 'labels' | 'activation'>
}

/** One property of the answers in two samples. */
export interface DriftTest {
  /** Share of like inputs or mean score; for labels the distance of the shares (total variation), of which 0 is expected. */
  readonly expected: number
  readonly observed: number
  /** How likely a difference like this is by chance; null where there is nothing to compare. */
  readonly pValue: number | null
  readonly drifted: boolean
}

/** A label whose share is not the same. */
export interface MovedLabel {
  /** Null for no label. */
  readonly label: string | null
  readonly expected: number
  readonly observed: number
}

/** Whether answers are like their reference. */
export interface DriftResult {
  readonly answers: number
  readonly rows: number
  /** Scores or like inputs have drifted. Labels alone give no alarm: their shares in use are seldom those of examples. */
  readonly alarm: boolean
  /** p-values are those of both together (Bonferroni): the false alarms of either count. */
  readonly scores: DriftTest
  readonly inDistribution: DriftTest
  readonly labels: DriftTest
  /** Labels whose shares differ most, first. */
  readonly moved: readonly MovedLabel[]
}

/**
 * Tests answers against a reference: scores by Kolmogorov and Smirnov, like inputs by Fisher's exact test, labels by
 * chi-square. The sampling error of both sides counts. Null where either side is too few to tell.
 */
export function testDrift(
  baseline: DriftBaseline,
  window: AnswerCounts,
  rate = FALSE_ALARM_RATE,
): DriftResult | null {
  if (window.answers < LEAST_ANSWERS || !isUsable(baseline.reference)) return null
  const { reference } = baseline
  const { labels } = baseline.head
  const { rows: judged, inside } = reference.inDistribution ?? { rows: 0, inside: 0 }
  const isJudged = window.judged > 0 && judged > 0
  const tests = isJudged ? 2 : 1
  const judge = (expected: number, observed: number, pValue: number | null): DriftTest => ({
    ...{ expected, observed, pValue },
    drifted: pValue !== null && pValue < rate,
  })
  const scores = judge(
    reference.scoreSum / reference.rows,
    window.scoreSum / window.answers,
    Math.min(1, tests * orderedBinsTest(window.scores, reference.scores).pValue),
  )
  const inDistribution = judge(
    shareOf(inside, judged),
    shareOf(window.inside, window.judged),
    isJudged
      ? Math.min(1, tests * fisherExactTest(window.inside, window.judged, inside, judged))
      : null,
  )
  const expected = [...reference.labels, reference.none]
  const observed = [...labels.map((label) => window.usualLabels.get(label) ?? 0), window.usualNone]
  const moved = labelShifts(labels, reference, expected, window.usual, observed)
  const isLabelled = window.usual >= LEAST_ANSWERS
  return {
    ...{ answers: window.answers, rows: reference.rows },
    alarm: scores.drifted || inDistribution.drifted,
    ...{ scores, inDistribution },
    labels: judge(
      0,
      isLabelled ? moved.reduce((sum, each) => sum + distance(each), 0) / 2 : 0,
      isLabelled ? testLabels(baseline, expected, window.usual, observed).pValue : null,
    ),
    moved: isLabelled ? moved.slice(0, LISTED_LABELS).filter((each) => distance(each) > 0) : [],
  }
}

/** Whether a reference has rows enough to test by, in the bins of this program. */
export function isUsable({ rows, scores }: ReferenceCounts): boolean {
  return rows >= LEAST_ROWS && scores.length === SCORE_BINS
}

/** Exclusive labels are one draw of many; with several a row each is a share of its own, and the least p counts for all. */
function testLabels(
  { reference: { rows }, head }: DriftBaseline,
  expected: readonly number[],
  answers: number,
  observed: readonly number[],
): CountTest {
  if (head.activation === 'softmax') {
    const { statistic, pValue } = homogeneityTest(observed, expected)
    // Far out the approximation is too small, by half at most where cells have five.
    return { statistic, pValue: Math.min(1, 2 * pValue) }
  }
  let pValue = 1
  for (const [i, count] of observed.entries()) {
    pValue = Math.min(pValue, fisherExactTest(count, answers, expected[i]!, rows))
  }
  return { statistic: 0, pValue: Math.min(1, pValue * observed.length) }
}

function labelShifts(
  labels: readonly string[],
  { rows }: ReferenceCounts,
  expected: readonly number[],
  answers: number,
  observed: readonly number[],
): MovedLabel[] {
  return expected
    .map((count, i) => ({
      label: labels[i] ?? null,
      expected: shareOf(count, rows),
      observed: shareOf(observed[i]!, answers),
    }))
    .sort((a, b) => distance(b) - distance(a))
}

const distance = ({ expected, observed }: MovedLabel) => Math.abs(expected - observed)

function shareOf(count: number, total: number): number {
  return total > 0 ? count / total : 0
}
