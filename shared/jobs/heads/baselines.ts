import type { ReportBaseline } from '../../reports/figure-types.ts'
import type { RepeatedCrossValidation } from '../../training/repeated/cross-validate.ts'
import type { TrainingSet } from '../../training/types.ts'
import type { TrainingData } from './data.ts'
import type { Evaluation } from './evaluation.ts'
import type { TrainHeadRequest } from './request.ts'
import { type Compute, trainOptions } from './tools.ts'
import { type RowVectors, toTrainingSet } from './vectors.ts'

/** With fewer test rows an accuracy of 90 % has an interval of more than six points to one side. */
const FEW_TEST_ROWS = 100
const FOLDS = 5
/** With more rows cross-validation says enough without being repeated. */
const MAX_ROWS = 600
/** Repetitions: ten with a hundred rows, two with five hundred, so that some seconds are enough. */
const REPEATS = 10
const ROWS_IN_ALL = 1_000
const FEWEST_REPEATS = 2

/** How often cross-validation is repeated for so many rows; 0 for so many that it would take long. */
function repeatsFor(rows: number): number {
  if (rows > MAX_ROWS) return 0
  return Math.max(FEWEST_REPEATS, Math.min(REPEATS, Math.floor(ROWS_IN_ALL / rows)))
}

/** Cross-validates the whole training several times where few rows are left to test on; null elsewhere. */
export async function repeatWhereFew(
  { tools, kernels }: Compute,
  data: TrainingData,
  vectors: RowVectors,
  request: TrainHeadRequest,
): Promise<RepeatedCrossValidation | null> {
  if (data.test.length >= FEW_TEST_ROWS) return null
  // Rows of a test file may be of another kind.
  const isFile = data.testSummary !== null
  const examples = isFile ? data.train : [...data.train, ...data.test]
  const repeats = repeatsFor(examples.length)
  if (repeats === 0) return null
  const embeddings = isFile ? vectors.train : joinVectors(vectors)
  const { classes: labels, multiLabel, modality } = data
  const { family, dimension } = vectors.encoder
  const set = toTrainingSet(examples, embeddings, dimension, { labels, multiLabel })
  const { seed, onProgress, signal } = request
  return tools.crossValidateRepeatedly(
    set,
    {
      train: trainOptions(family, request, modality),
      ...{ repeats, folds: FOLDS, seed },
      texts: modality === 'image' ? null : examples.map(({ text }) => text),
    },
    { kernels, onProgress, signal },
  )
}

function joinVectors({ train, test }: RowVectors): Float32Array {
  const all = new Float32Array(train.length + test.length)
  all.set(train)
  all.set(test, train.length)
  return all
}

/** Simpler answers beside the head, on the test rows and on the folds of the repeated cross-validation. */
export function describeBaselines(
  { tools }: Compute,
  data: TrainingData,
  learnt: Pick<TrainingSet, 'labels'>,
  figures: {
    readonly evaluation: Evaluation | null
    readonly repeated: RepeatedCrossValidation | null
    readonly seed: number
  },
): ReportBaseline[] {
  const { evaluation, repeated, seed } = figures
  const onTest = evaluation === null ? [] : testBaselines({ tools }, data, learnt, evaluation, seed)
  const names = new Set([...onTest, ...(repeated?.baselines ?? [])].map(({ name }) => name))
  return [...names].map((name) => {
    const onFolds = repeated?.baselines.find((each) => each.name === name)
    return {
      name,
      test: onTest.find((each) => each.name === name)?.figures ?? null,
      repeated: onFolds
        ? {
            accuracy: onFolds.accuracy,
            interval: onFolds.interval,
            macroF1: onFolds.macroF1,
            gain: onFolds.gain,
          }
        : null,
    }
  })
}

function testBaselines(
  { tools }: Pick<Compute, 'tools'>,
  { train, test, multiLabel, modality }: TrainingData,
  { labels }: Pick<TrainingSet, 'labels'>,
  { truth, correct }: Evaluation,
  seed: number,
) {
  const places = new Map(labels.map((label, place) => [label, place]))
  const learnt = {
    texts: train.map(({ text }) => text),
    truth: train.map((example) => example.labels.map((label) => places.get(label)!)),
    labels: labels.length,
    multiLabel,
  }
  const asked = test.map(({ text }) => text)
  const kind = { seed, texts: modality !== 'image' }
  return tools.answerByBaselines(learnt, asked, kind).map(({ name, said }) => {
    const measured = tools.measureAnswers({ said, truth, labels: labels.length }, seed)
    const figures = {
      accuracy: measured.accuracy.value,
      interval: measured.accuracy.interval,
      macroF1: measured.macroF1.value,
      gain: tools.compareHeads(correct, measured.right),
    }
    return { name, figures }
  })
}
