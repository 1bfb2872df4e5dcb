import type { ReportBaseline, ReportGain, ReportInterval } from './figure-types.ts'
import { formatCount, formatCounted, formatPercent, formatPoints } from './format.ts'
import type { TrainingReport } from './types.ts'

const FEW_TEST_ROWS = 200

/** What stands in tables for the name of a baseline. */
export function nameBaseline({ name }: Pick<ReportBaseline, 'name'>): string {
  return NAMES[name] ?? name
}

const NAMES: Readonly<Record<string, string>> = {
  majority: 'Most frequent answer',
  'tf-idf': 'TF-IDF, logistic regression',
}

/** The gain over a baseline on the rows that tell most: the folds where few rows were held out. */
export function gainOver(report: TrainingReport, name: string): ReportGain | null {
  const baseline = report.baselines?.find((each) => each.name === name)
  return (baseline?.repeated ?? baseline?.test)?.gain ?? null
}

/**
 * Whether the head is clearly better than the most frequent answer, without which nothing about encoders is to be
 * concluded; true where it was not measured.
 */
export function isLearnable(report: TrainingReport): boolean {
  const gain = gainOver(report, 'majority')
  return gain === null || gain.low > 0
}

/** What the test rows cannot tell, and what would; null where there are enough. */
export function tellFewRows({
  test,
  repeatedCrossValidation,
  fineTuning,
}: TrainingReport): string | null {
  const repeated = repeatedCrossValidation ?? null
  const needed = repeated?.rowsForFivePoints ?? test?.rowsForFivePoints
  const more =
    needed === undefined
      ? ''
      : ` About ${formatCount(needed)} test rows would tell such an accuracy to within 5 points.`
  if (test === null) {
    if (repeated === null) return null
    return `No rows were held out: the accuracy is that of repeated cross-validation.${more}`
  }
  if (test.rows >= FEW_TEST_ROWS) return null
  const range =
    test.interval === null
      ? 'differences of a few points mean little'
      : `alone ${test.rows === 1 ? 'it leaves' : 'they leave'} the accuracy between ${formatPercent(test.interval.low)} and ${formatPercent(test.interval.high)}`
  const instead =
    repeated !== null
      ? '; repeated cross-validation stands first'
      : fineTuning === undefined
        ? ''
        : '; repeated cross-validation would train the encoder anew for every fold and is left out'
  return `Only ${formatCounted(test.rows, 'test row')}: ${range}${instead}.${more}`
}

/** What the baselines say of the head; nothing where it beats them clearly. */
export function adviseOnBaselines(report: TrainingReport): string[] {
  const advice: string[] = []
  const majority = gainOver(report, 'majority')
  if (majority !== null && majority.low <= 0) {
    advice.push(
      `The head is not clearly better than always giving the most frequent answer (${tellGain(majority)}): ` +
        'either the rows are too few to show it, or the labels do not follow from the inputs. Check some labels first.',
    )
  }
  const words = gainOver(report, 'tf-idf')
  if (words !== null && words.high < 0 && isBetterThanMajority(report)) {
    advice.push(
      `Counting words does better: TF-IDF with logistic regression beats the head clearly (${tellGain(words)} for the head). ` +
        'The labels hang on words more than on what the encoder sees in a text.',
    )
  }
  return advice
}

/** TF-IDF has learnt something: its interval lies above the most frequent answer. */
function isBetterThanMajority({ baselines = [] }: TrainingReport): boolean {
  const of = (name: string) => {
    const baseline = baselines.find((each) => each.name === name)
    return baseline?.repeated ?? baseline?.test ?? null
  }
  const [majority, words] = [of('majority')?.accuracy, of('tf-idf')?.interval]
  return majority != null && words != null && words.low > majority
}

/** A gain with its interval, in a few words. */
export function tellGain({ difference, low, high }: ReportGain): string {
  return `${formatPoints(difference)} points, 95 % interval ${formatPoints(low)} to ${formatPoints(high)}`
}

/** What a test interval is called by its method; reports before it was named bootstrapped. */
export function nameMethod({ method }: ReportInterval): string {
  return METHODS[method ?? ''] ?? 'bootstrap'
}

const METHODS: Readonly<Record<string, string>> = {
  'clopper-pearson': 'exact, Clopper-Pearson',
  'exact-paired': 'exact, paired',
  bca: 'bootstrap, BCa',
  'reversed-bootstrap': 'bootstrap, reversed (ECE)',
  'nadeau-bengio': 'corrected resampled t, Nadeau and Bengio',
}
