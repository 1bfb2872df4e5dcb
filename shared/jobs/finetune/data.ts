import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import type { LabelledTexts } from '../../finetune/types.ts'
import { hint, say, task } from '../../lib/wording.ts'
import { readTrainingData, type TrainingData } from '../heads/data.ts'
import { splitExamples, togetherOf } from '../rows/split-examples.ts'
import type { FineTuneClassifierRequest } from './request.ts'

/** Rows by what they are for; validation rows are taken from the training rows, never from the test rows. */
export interface FineTuneData extends TrainingData {
  /** The training rows without the validation rows. */
  readonly learnt: readonly LabelledExample[]
  readonly validation: readonly LabelledExample[]
  /** Positions of both among the training rows. */
  readonly learntRows: readonly number[]
  readonly validationRows: readonly number[]
  /** Too few to hold any out for validation: all are learnt. */
  readonly few: boolean
}

/** With fewer rows no gradient tells classes apart: 8 of each of two classes. */
const FEWEST_ROWS = 16
/**
 * With fewer training rows all of them are learnt: what a handful of others says is chance. Pairs are for few rows of
 * each label, where one row less shows.
 */
const FEWEST_TO_VALIDATE = 200
const FEWEST_PAIRED_TO_VALIDATE = 1_000

/**
 * Reads the rows and holds some out, for validation and for the test.
 * @throws EspalierError `invalid_data` naming the file and the fix
 */
export async function readFineTuneData(request: FineTuneClassifierRequest): Promise<FineTuneData> {
  return divideData(await readTrainingData(request), request)
}

/**
 * Takes validation rows from the training rows.
 * @throws EspalierError `invalid_data` for too few
 */
export function divideData(
  data: TrainingData,
  request: Pick<FineTuneClassifierRequest, 'validationFraction' | 'seed' | 'tuning'>,
): FineTuneData {
  const { train } = data
  if (train.length < FEWEST_ROWS) {
    throw dataError(
      data.summary.source,
      null,
      say`${train.length} training ${train.length === 1 ? 'row' : 'rows'}: fine-tuning an encoder takes at least ${FEWEST_ROWS}${hint(say`; ${task('train')} trains a classifier on fewer`)}`,
    )
  }
  const isPaired = request.tuning.loss === 'contrastive'
  const few = train.length < (isPaired ? FEWEST_PAIRED_TO_VALIDATE : FEWEST_TO_VALIDATE)
  const share = few ? 0 : request.validationFraction
  const split = splitExamples(train, share, request.seed)
  return {
    ...data,
    learnt: split.train.map((at) => train[at]!),
    validation: split.test.map((at) => train[at]!),
    learntRows: split.train,
    validationRows: split.test,
    few,
  }
}

/** Rows as the trainer takes them, each text behind the encoder's prompt; of images their paths. */
export function toLabelledTexts(
  examples: readonly LabelledExample[],
  labels: readonly string[],
  prompt: string,
): LabelledTexts {
  const indexOf = new Map(labels.map((label, index) => [label, index]))
  const targets = new Float32Array(examples.length * labels.length)
  for (const [row, example] of examples.entries()) {
    for (const label of example.labels) targets[row * labels.length + indexOf.get(label)!] = 1
  }
  return {
    texts: examples.map(({ text }) => prompt + text),
    targets,
    classes: labels.length,
    together: togetherOf(examples),
  }
}

/** Weights that let every class count alike: rows / (classes · rows of the class). */
export function balanceClasses(
  examples: readonly LabelledExample[],
  labels: readonly string[],
): Float32Array {
  const counts = new Map<string, number>()
  for (const { labels: own } of examples) {
    for (const label of own) counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  return Float32Array.from(
    labels,
    (label) => examples.length / (labels.length * Math.max(1, counts.get(label) ?? 0)),
  )
}
