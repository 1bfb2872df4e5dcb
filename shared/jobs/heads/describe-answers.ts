import type { LabelledExample } from '../../dataset/examples.ts'
import type { Head } from '../../head/head.ts'
import type { ReportAnswers, ReportOutOfFold } from '../../reports/figure-types.ts'
import type { OutOfFold, TrainedHead, TrainingSet } from '../../training/types.ts'
import type { TrainingData } from './data.ts'
import type { Compute, TrainingTools } from './tools.ts'

/** With fewer test rows what was held out in the cross-validation says more. */
const FEW_TEST_ROWS = 100
const MAX_PAIRS = 30
const MAX_LINES = 20
/** They are sorted: more take seconds. */
const MOST_DECISIONS = 5_000_000

type Reliability = Awaited<ReturnType<TrainingTools['evaluateHead']>>['reliability']

/** The bins of a reliability diagram as reports have them. */
export function describeReliability(bins: Reliability): ReportOutOfFold['reliability'] {
  return bins.map(({ from, to, rows, confidence, accuracy }) => ({
    low: from,
    high: to,
    count: rows,
    confidence: rows > 0 ? confidence : null,
    accuracy: rows > 0 ? accuracy : null,
  }))
}

/** How sure answers of one label a row are, and which labels are confused; nothing of several labels a row. */
export function describeAnswers(
  tools: TrainingTools,
  { labels, activation }: Pick<Head, 'labels' | 'activation'>,
  answers: {
    /** Shape [rows, labels]. */
    readonly probabilities: OutOfFold['probabilities']
    /** Shape [rows]. */
    readonly truth: Int32Array
    readonly examples: readonly Pick<LabelledExample, 'line'>[]
  },
  seed: number,
): ReportAnswers {
  if (activation === 'sigmoid') return {}
  const { probabilities, truth, examples } = answers
  const { data, columns } = probabilities
  const said = tools.predictedClasses(probabilities)
  const confidences = Float64Array.from(said, (label, row) => data[row * columns + label]!)
  const right = Uint8Array.from(said, (label, row) => Number(label === truth[row]))
  const calibration = tools.calibrationInterval(confidences, right, seed)
  const pairs = tools.findConfusedPairs({ said, truth, confidences }, columns)
  return {
    eceInterval: calibration?.interval ?? null,
    eceByChance: calibration?.byChance ?? null,
    riskCoverage: tools.measureRiskCoverage(confidences, right),
    confusedPairs: pairs.slice(0, MAX_PAIRS).map(({ first, second, rows, ...pair }) => ({
      ...{ first: labels[first]!, second: labels[second]! },
      ...pair,
      lines: rows.slice(0, MAX_LINES).flatMap((row) => examples[row]!.line ?? []),
    })),
  }
}

/**
 * How sure decisions are where rows have several labels. A decision is whether a row has a label; its confidence is the
 * probability of what was decided: that of the label where it is said, else that of its absence.
 */
export function describeDecisions(
  tools: TrainingTools,
  { data, rows, columns }: OutOfFold['probabilities'],
  { said, truth }: { readonly said: readonly Labels[]; readonly truth: readonly Labels[] },
): ReportAnswers {
  if (rows * columns > MOST_DECISIONS) return {}
  const confidences = Float64Array.from(data.subarray(0, rows * columns), (p) => 1 - p)
  const right = new Uint8Array(rows * columns).fill(1)
  for (let row = 0; row < rows; row++) {
    const has = new Set(truth[row])
    for (const label of said[row]!) {
      const at = row * columns + label
      confidences[at] = data[at]!
      right[at] = Number(has.delete(label))
    }
    for (const label of has) right[row * columns + label] = 0
  }
  return { riskCoverage: tools.measureRiskCoverage(confidences, right) }
}

type Labels = readonly number[]

/** What the cross-validation held out, told where few rows are left to test on; null elsewhere. */
export function describeOutOfFold(
  { tools }: Pick<Compute, 'tools'>,
  { train, test }: TrainingData,
  { head, crossValidation, outOfFold }: TrainedHead,
  { targets }: Pick<TrainingSet, 'targets'>,
  seed: number,
): ReportOutOfFold | null {
  if (test.length >= FEW_TEST_ROWS || crossValidation === null || targets === null) return null
  if (outOfFold === undefined || outOfFold.rows.length === 0) return null
  const truth = outOfFold.rows.map((row) => targets[row]!)
  const { probabilities } = outOfFold
  const examples = Array.from(outOfFold.rows, (row) => train[row]!)
  const described = describeAnswers(tools, head, { probabilities, truth, examples }, seed)
  const { data, columns } = probabilities
  const said = tools.predictedClasses(probabilities)
  const right = Uint8Array.from(said, (label, row) => Number(label === truth[row]))
  const confidences = Float64Array.from(said, (label, row) => data[row * columns + label]!)
  const bins = tools.reliabilityBins(confidences, right)
  return {
    ...described,
    rows: truth.length,
    accuracy: right.reduce((sum, one) => sum + one, 0) / truth.length,
    ece: tools.calibrationError(bins),
    reliability: describeReliability(bins),
  }
}
