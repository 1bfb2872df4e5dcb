import type { FittedMethod } from '../training/catalogue/methods.ts'
import { adviseOnBaselines, isLearnable, tellFewRows } from './advice-on-figures.ts'
import { formatCount, formatCounted, formatPercent, shorten } from './format.ts'
import { confusedPairs } from './summary.ts'
import type { ReportTest, TrainingReport } from './types.ts'

const FEW_EXAMPLES = 8
const HIGH_ECE = 0.05
const WIDE_GAP = 0.08
const POOR_FIT = 0.9
const NEIGHBOUR_GAIN = 0.02
/** Less is a matter of luck. */
const BALANCE_GAIN = 0.01
const UNEVEN = 20
const LOW_KEEP_RATE = 0.92
/** What the threshold is meant to keep. */
const KEEP_RATE = 0.95
/** Chance makes so much seldom. */
const CLEAR = 0.05
/** Of fewer test rows of a class all may be wrong by chance. */
const FEWEST_TESTED = 3
const PAIR_SHARE = 0.1
const MAX_NAMED = 5

/** With fewer rows a class nothing was measured. */
const FEWEST_ROWS = 8
/** Below this many, pairs of rows teach more than labels do. */
const FEW_ROWS = 30
/** Above this little is left to gain. */
const NEAR_CEILING = 0.97
/**
 * Nearest class means are right less often than this where labels cut across what the encoder takes for alike:
 * 77 % on TREC-6, where fine-tuning pays; 85 to 92 % on Banking77, CLINC150 and SNIPS, where it adds little.
 */
const FOREIGN_LABELS = 0.8
/** The same with 8 rows a class, where means are poorer: 53 % on TREC-6, 80 % and more on the others. */
const FOREIGN_LABELS_OF_FEW = 0.7
/** How well it does shows what the encoder takes for alike; fine-tuning is advised by it. */
const NEAREST_MEANS: FittedMethod = 'ncm'
/** The pure vote of neighbours. */
const NEIGHBOURS: FittedMethod = 'knn'

/** What was odd about the data, each with what it does to a result. */
export function describeWarnings({ warnings }: TrainingReport['dataset']): string[] {
  return warnings.map(({ code, message }) => {
    const effect = EFFECTS[code]
    return effect === undefined ? message : `${message}. ${effect}`
  })
}

const EFFECTS: Readonly<Partial<Record<string, string>>> = {
  contradictions: 'No head can learn both of two labels',
  duplicates:
    'Copies on both sides of a split make a result look better than it is: consider removing them',
  similar_labels: 'They are learned as different labels',
}

/** What the numbers suggest doing next: whole sentences, none where all is well. */
export function adviseOn(report: TrainingReport): string[] {
  return [
    adviseOnClasses(report),
    adviseOnBalance(report),
    tellFewRows(report) ?? [],
    report.test === null ? adviseWithoutTest(report) : adviseOnTest(report, report.test),
    adviseOnBaselines(report),
    report.fineTuning === undefined && isLearnable(report) && isReadable(report.dataset)
      ? [...adviseOnFit(report), ...adviseFineTuning(report)]
      : [],
  ].flat()
}

function adviseWithoutTest({ repeatedCrossValidation, crossValidation }: TrainingReport): string[] {
  if (repeatedCrossValidation != null) return []
  if (crossValidation === null) {
    return ['No rows were held out: nothing here says how the head does on new inputs.']
  }
  return [
    'No rows were held out for a test: cross-validation alone says how the head does on new inputs, a little too good, ' +
      'as method and settings were chosen by it.',
  ]
}

function adviseOnClasses({ dataset }: TrainingReport): string[] {
  const advice: string[] = []
  const counts = dataset.classCounts.map(({ count }) => count)
  const small = dataset.classCounts.filter(({ count }) => count < FEW_EXAMPLES)
  if (small.length > 0) {
    advice.push(
      `${formatCounted(small.length, 'class has', 'classes have')} fewer than ${FEW_EXAMPLES} examples ` +
        `(${nameSome(small.map(({ label }) => label))}). A few more each usually help most.`,
    )
  }
  const largest = Math.max(0, ...counts)
  const smallest = Math.min(...counts)
  if (largest >= UNEVEN * smallest) {
    advice.push(
      `The largest class has ${Math.round(largest / Math.max(1, smallest))} times the examples of the ` +
        'smallest: read macro-F1 beside accuracy.',
    )
  }
  return advice
}

/** Whether balanced answers help rare labels, by cross-validation. */
function adviseOnBalance({ crossValidation }: TrainingReport): string[] {
  const plain = crossValidation?.macroF1 ?? null
  const balanced = crossValidation?.balancedMacroF1 ?? null
  if (plain === null || balanced === null || balanced - plain < BALANCE_GAIN) return []
  return [
    `Balanced answers help rare labels: macro-F1 ${formatPercent(plain)} → ${formatPercent(balanced)} cross-validated, ` +
      'their strength chosen on other folds. Train with balance auto, or optimise macro-f1, which tries row weights too.',
  ]
}

function adviseOnTest(report: TrainingReport, test: ReportTest): string[] {
  const advice: string[] = []
  const { crossValidation, outOfDistribution } = report
  const isFew = tellFewRows(report) !== null
  // An interval from zero on: a head that is not off at all would show as much.
  const isOff = test.eceInterval == null || test.eceInterval.low > 0
  if (!isFew && isOff && test.ece !== null && test.ece >= HIGH_ECE) {
    advice.push(
      `Confidence is off by ${formatPercent(test.ece)} on average (ECE): choose thresholds from the ` +
        'reliability diagram, not from the scores at face value.',
    )
  }
  const never = test.perClass.filter(({ f1, support }) => support >= FEWEST_TESTED && f1 === 0)
  if (never.length > 0) {
    advice.push(
      `${formatCounted(never.length, 'class is', 'classes are')} never predicted rightly on the test rows ` +
        `(${nameSome(never.map(({ label }) => label))}).`,
    )
  }
  const { pairs, errors } = confusedPairs(report.labels, test)
  // Of two labels all errors are of the one pair.
  const worst = report.labels.length > 2 && isMoreThanChance(test) ? pairs[0] : undefined
  if (worst !== undefined && worst.count >= MAX_NAMED && worst.count >= PAIR_SHARE * errors) {
    advice.push(
      `${nameSome([worst.first])} and ${nameSome([worst.second])} make up ` +
        `${formatPercent(worst.count / errors, 0)} of all errors: merge them, or add examples that ` +
        'show the difference.',
    )
  }
  if (crossValidation?.accuracy != null && test.accuracy !== null && test.rows > 0) {
    const drift = crossValidation.accuracy - test.accuracy
    // Two rows more, one of them right: of one wrong row nothing is to be concluded.
    const share = (test.accuracy * test.rows + 1) / (test.rows + 2)
    const noise = 3 * Math.sqrt((share * (1 - share)) / test.rows)
    if (drift > WIDE_GAP / 2 && drift > noise) {
      advice.push(
        `Test accuracy lies ${(drift * 100).toFixed(1)} points below cross-validation: the test rows differ from ` +
          'the training rows, so add examples that look like them.',
      )
    }
  }
  const kept = outOfDistribution?.keepRate ?? null
  const least = KEEP_RATE - 2 * Math.sqrt((KEEP_RATE * (1 - KEEP_RATE)) / Math.max(test.rows, 1))
  if (kept !== null && kept < LOW_KEEP_RATE && kept < least) {
    const inputs = report.dataset.modality === 'image' ? 'images' : 'texts'
    advice.push(
      `The out-of-distribution threshold keeps only ${formatPercent(kept)} of the test ${inputs}: treat it as a hint.`,
    )
  }
  return advice
}

/** Errors that fall on all labels alike would not make so many of the worst pair; true where it was not measured. */
function isMoreThanChance({ confusedPairs }: ReportTest): boolean {
  const [worst] = confusedPairs ?? []
  return worst === undefined || worst.pValue < CLEAR
}

function adviseOnFit({ crossValidation, candidates }: TrainingReport): string[] {
  const advice: string[] = []
  const heldOut = crossValidation?.accuracy ?? null
  const fitted = crossValidation?.fittedAccuracy ?? null
  if (heldOut !== null && fitted !== null) {
    if (fitted < POOR_FIT) {
      advice.push(
        `Even on the rows it was fitted on the head is right only ${formatPercent(fitted)} of the time: ` +
          'the labels overlap, or the frozen encoder does not see their difference. Fine-tuning the ' +
          'encoder may help more than further rows.',
      )
    } else if (fitted - heldOut > WIDE_GAP) {
      advice.push(
        `Accuracy is ${formatPercent(fitted)} on fitted rows and ${formatPercent(heldOut)} on held-out ` +
          'folds: more examples per class, or fine-tuning the encoder, may help.',
      )
    }
  }
  const neighbours = bestAccuracy(candidates, (name) => name === NEIGHBOURS)
  const affine = bestAccuracy(candidates, (name) => !name.includes(NEIGHBOURS))
  if (neighbours !== null && affine !== null && neighbours - affine >= NEIGHBOUR_GAIN) {
    advice.push(
      `Neighbours decide better than any straight boundary (${formatPercent(neighbours)} against ` +
        `${formatPercent(affine)}): classes form several groups, where fine-tuning the encoder often pays.`,
    )
  }
  return advice
}

/** Texts that the encoder cannot read teach it little. */
function isReadable({ warnings }: TrainingReport['dataset']): boolean {
  return warnings.every(({ code }) => code !== 'unknown_tokens' && code !== 'unknown_scripts')
}

/** A sentence where fine-tuning the encoder is likely to pay; docs/fine-tuning.md has the evidence. */
function adviseFineTuning(report: TrainingReport): string[] {
  const { candidates, crossValidation, dataset, encoder, labels, name, split, test } = report
  // A foreign graph has no gradients.
  if (encoder.architecture === 'onnx') return []
  const perClass = split.trainRows / labels.length
  const accuracy = test?.accuracy ?? crossValidation?.accuracy ?? null
  const means = candidates.find((each) => each.name === NEAREST_MEANS)?.accuracy ?? null
  if (accuracy === null || means === null) return []
  const isFew = perClass < FEW_ROWS
  const limit = isFew ? FOREIGN_LABELS_OF_FEW : FOREIGN_LABELS
  if (perClass < FEWEST_ROWS || accuracy >= NEAR_CEILING || means >= limit) return []
  const command = `espalier finetune ${shorten(dataset.source, 200)} --name ${name}${isFew ? ' --loss contrastive' : ''}`
  return [
    `Fine-tuning the encoder is likely to pay: its nearest class means are right only ${formatPercent(means)} of the ` +
      'time, so the labels cut across what it takes for alike, and there are ' +
      `${formatCount(perClass)} rows a class to teach it. Try: ${command}`,
  ]
}

function bestAccuracy(
  candidates: TrainingReport['candidates'],
  matches: (name: string) => boolean,
): number | null {
  const found = candidates.flatMap(({ name, accuracy }) =>
    matches(name) && accuracy !== null && Number.isFinite(accuracy) ? [accuracy] : [],
  )
  return found.length === 0 ? null : Math.max(...found)
}

function nameSome(labels: readonly string[]): string {
  const named = labels.slice(0, MAX_NAMED).map((label) => `“${shorten(label, 40)}”`)
  if (labels.length > MAX_NAMED) named.push('…')
  return named.join(', ')
}
