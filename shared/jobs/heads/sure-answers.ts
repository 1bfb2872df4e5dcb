import type { AnswerFacts } from '../../head/answers.ts'
import type { Head } from '../../head/head.ts'
import { cutSets, keepScores, roundDown, type SetFacts } from '../../head/prediction-sets.ts'
import type {
  ReportAbstention,
  ReportPredictionSets,
  ReportSureAnswers,
} from '../../reports/figure-types.ts'
import type { TrainedHead, TrainingSet } from '../../training/types.ts'
import type { Evaluation } from './evaluation.ts'
import type { TrainingTools } from './tools.ts'

/** The coverage that reports tell of. */
const TOLD_COVERAGE = 0.9

type Facts = Pick<AnswerFacts, 'sets' | 'abstention'>

/** What held-out rows say of how sure a head may be, for its version and for its report. */
export interface SureAnswers {
  readonly facts: Facts
  /** Null where no rows were held out, and with several labels a row. */
  readonly report: ReportSureAnswers | null
}

/** What prediction sets are cut by, and from which score on answers are right with a precision, if one is asked for. */
export function describeSureAnswers(
  tools: TrainingTools,
  { head, outOfFold }: TrainedHead,
  { targets }: Pick<TrainingSet, 'targets'>,
  evaluation: Evaluation | null,
  precisionAt: number | undefined,
): SureAnswers {
  if (outOfFold === undefined || outOfFold.rows.length === 0 || targets === null) {
    return { facts: {}, report: null }
  }
  const { data, columns, rows } = outOfFold.probabilities
  const truth = outOfFold.rows.map((row) => targets[row]!)
  const sets = describeSets(head, { data, columns }, truth)
  const held = { data, rows, truth }
  const found =
    precisionAt === undefined ? null : findAbstention(tools, head, held, evaluation, precisionAt)
  return {
    facts: { sets, ...(found?.facts && { abstention: found.facts }) },
    report: {
      heldOut: rows,
      sets: describeSetsOnTest(sets, head, evaluation),
      abstention: found?.report ?? null,
    },
  }
}

function describeSets(
  { labels }: Head,
  { data, columns }: { data: Float32Array; columns: number },
  truth: Int32Array,
): NonNullable<Facts['sets']> {
  const all: number[] = []
  const byLabel = labels.map((): number[] => [])
  for (const [row, label] of truth.entries()) {
    const probability = data[row * columns + label]!
    all.push(probability)
    byLabel[label]!.push(probability)
  }
  return { ...keepScores(all), byLabel: byLabel.map(keepScores) }
}

/** Null where the rows do not suffice for the coverage. */
function describeSetsOnTest(
  facts: SetFacts,
  { labels }: Head,
  evaluation: Evaluation | null,
): ReportPredictionSets | null {
  const rule = cutSets(facts, { coverage: TOLD_COVERAGE })
  if (rule === null) return null
  const { least } = rule
  const byLabel = cutSets(facts, { coverage: TOLD_COVERAGE, byLabel: true })
  const tooFewRows = byLabel?.tooFewRows ?? facts.byLabel.length
  const told = { coverage: TOLD_COVERAGE, minScore: least[0]!, labelsWithTooFewRows: tooFewRows }
  if (evaluation === null) return { ...told, test: null }
  const { probabilities, truth } = evaluation
  let [covered, size, single, empty] = [0, 0, 0, 0]
  for (const [row, actual] of truth.entries()) {
    const own = probabilities.subarray(row * labels.length, (row + 1) * labels.length)
    const held = own.reduce((sum, p, label) => sum + Number(p >= least[label]!), 0)
    size += held
    if (held === 1) single++
    if (held === 0) empty++
    if (own[actual[0]!]! >= least[actual[0]!]!) covered++
  }
  const rows = truth.length
  const shares = { covered: covered / rows, meanSize: size / rows, single: single / rows }
  return { ...told, test: { rows, ...shares, empty: empty / rows } }
}

function findAbstention(
  tools: TrainingTools,
  { labels }: Head,
  { data, rows, truth }: { data: Float32Array; rows: number; truth: Int32Array },
  evaluation: Evaluation | null,
  precision: number,
): { readonly facts: Facts['abstention'] | null; readonly report: ReportAbstention } {
  const columns = labels.length
  const { confidences, right } = answerOf(tools, { data, rows, columns }, truth)
  const { chosen, best, needed } = tools.chooseMinScore(confidences, right, precision)
  const report = { precision, rows, chosen, best, needed }
  if (chosen === null) return { facts: null, report: { ...report, test: null } }
  const { answered, right: correct } = chosen
  const minScore = roundDown(chosen.minScore)
  const facts = { precision, minScore, rows, answered, right: correct }
  return {
    facts,
    report: { ...report, test: testAbstention(tools, evaluation, columns, minScore) },
  }
}

/** Test rows as the head answers them: those unlike the training data are abstained from, too. */
function testAbstention(
  tools: TrainingTools,
  evaluation: Evaluation | null,
  columns: number,
  minScore: number,
): ReportAbstention['test'] {
  if (evaluation === null) return null
  const { probabilities: data, truth, outside } = evaluation
  const actual = Int32Array.from(truth, (labels) => labels[0]!)
  const { confidences, right } = answerOf(tools, { data, rows: truth.length, columns }, actual)
  const answered = right.filter((_, row) => confidences[row]! >= minScore && outside?.[row] !== 1)
  const correct = answered.reduce((sum, one) => sum + one, 0)
  const { low, high } = tools.intervalOfRight(answered)
  return { rows: truth.length, answered: answered.length, right: correct, low, high }
}

function answerOf(
  tools: TrainingTools,
  probabilities: { data: Float32Array; rows: number; columns: number },
  truth: Int32Array,
) {
  const said = tools.predictedClasses(probabilities)
  const { data, columns } = probabilities
  return {
    confidences: Float64Array.from(said, (label, row) => data[row * columns + label]!),
    right: Uint8Array.from(said, (label, row) => Number(label === truth[row])),
  }
}
