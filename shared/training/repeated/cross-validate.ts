import { EspalierError } from '../../lib/errors.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { answerByBaselines, type BaselineName } from '../baselines/baselines.ts'
import { countFeaturesOnce } from '../baselines/hashed-features.ts'
import { checkSet } from '../check-set.ts'
import { type Answers, sameSet, tallyF1 } from '../evaluation/answers.ts'
import { comparePaired } from '../evaluation/compare.ts'
import {
  correctedInterval,
  type Interval,
  resampledShareInterval,
  rowsForMargin,
} from '../evaluation/intervals.ts'
import { assignFolds } from '../numerics/folds.ts'
import { createRefit, type Refit } from '../refit.ts'
import { choose } from '../train-head.ts'
import type { TrainingSet, TrainOptions, TrainTools } from '../types.ts'
import { answerRows, labelsOf, takeVectors } from './answer-rows.ts'

/** What repeated cross-validation says of a way to answer. */
export interface RepeatedFigures {
  /** Mean share of rows whose whole answer is right, over all runs. */
  readonly accuracy: number
  readonly interval: Interval
  /** Mean over the repetitions, each over all rows that it held out. */
  readonly macroF1: number
  readonly microF1: number
}

/** A baseline on the same folds. */
export interface RepeatedBaseline extends RepeatedFigures {
  readonly name: BaselineName
  /** Accuracy of the head less that of the baseline, run by run. */
  readonly gain: { readonly difference: number } & Interval
}

/** How often all rows are split, and what came of it. */
export interface RepeatedCrossValidation extends RepeatedFigures {
  readonly repeats: number
  readonly folds: number
  /** Rows that are held out in each repetition. */
  readonly rows: number
  /** Test rows from which on the interval of such an accuracy reaches no further than five points to either side. */
  readonly rowsForFivePoints: number
  readonly baselines: readonly RepeatedBaseline[]
}

export interface RepeatOptions {
  readonly train: TrainOptions
  readonly repeats: number
  readonly folds: number
  readonly seed: number
  /** The text of each row; null for images. */
  readonly texts: readonly string[] | null
}

/** Seeds of repetitions are so far apart. */
const SEED_STEP = 7919
const FIVE_POINTS = 0.05

/**
 * Chooses method and settings on all rows, fits them anew for every fold of every repetition, and measures what was
 * held out. The only row of a class is always learnt. Null where no row can be held out.
 * @throws EspalierError `invalid_data`, `request_cancelled`
 */
export async function crossValidateRepeatedly(
  set: TrainingSet,
  options: RepeatOptions,
  { onProgress, ...tools }: TrainTools,
): Promise<RepeatedCrossValidation | null> {
  const { repeats, seed, texts } = options
  const truth = labelsOf(set)
  const groups = Int32Array.from(truth, (labels) => labels[0] ?? set.labels.length)
  const runs: Run[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const random = createRandom(seed + SEED_STEP * (repeat + 1))
    const assigned = assignFolds(groups, options.folds, random, set.together)
    for (let fold = 0; fold < options.folds; fold++) {
      const rows = [...assigned.keys()]
      const test = rows.filter((row) => assigned[row] === fold)
      if (test.length === 0) continue
      runs.push({ train: rows.filter((row) => assigned[row] !== fold), test, repeat })
    }
  }
  if (runs.length === 0) return null
  const refit = await chooseOnce(set, options.train, tools)
  const boards = new Map<string, Board>()
  const kind = { seed, texts: texts !== null, count: countFeaturesOnce() }
  const boardOf = (name: string): Board => {
    const board = boards.get(name) ?? { said: Array.from({ length: repeats }, () => new Map()) }
    boards.set(name, board)
    return board
  }
  for (const [done, { train, test, repeat }] of runs.entries()) {
    if (tools.signal?.aborted)
      throw new EspalierError('request_cancelled', 'training was cancelled')
    onProgress?.('repeated cross-validation', done, runs.length)
    const note = (name: string, said: readonly (readonly number[])[]): void =>
      said.forEach((labels, at) => {
        boardOf(name).said[repeat]!.set(test[at]!, labels)
      })
    const head = await refit(Int32Array.from(train))
    note('head', await answerRows(head, takeVectors(set, test), tools.kernels))
    const learnt = {
      texts: train.map((row) => texts?.[row] ?? ''),
      truth: train.map((row) => truth[row]!),
      labels: set.labels.length,
      multiLabel: set.labelSets !== null,
    }
    const asked = test.map((row) => texts?.[row] ?? '')
    for (const { name, said } of answerByBaselines(learnt, asked, kind)) note(name, said)
  }
  onProgress?.('repeated cross-validation', runs.length, runs.length)
  return summarise(set, runs, boards, options)
}

/** Chooses method and settings on all rows, as `trainHead` does, for fits to parts of them. */
async function chooseOnce(
  set: TrainingSet,
  options: TrainOptions,
  { kernels }: TrainTools,
): Promise<Refit> {
  const checked = checkSet(set, options)
  const chooser = { kernels, step: () => {}, assumesVariance: true }
  const { problem, selection, settings } = await choose(checked, options, chooser)
  return createRefit(set, options, {
    ...{ kernels, checked, problem, chosen: selection.chosen, settings },
  })
}

/** What a way to answer said in each repetition, by row. */
interface Board {
  readonly said: readonly Map<number, readonly number[]>[]
}

type Run = { readonly train: number[]; readonly test: number[]; readonly repeat: number }

function summarise(
  set: TrainingSet,
  runs: readonly Run[],
  boards: ReadonlyMap<string, Board>,
  { repeats, folds }: RepeatOptions,
): RepeatedCrossValidation {
  const truth = labelsOf(set)
  const rows = runs.reduce((sum, { test }) => sum + test.length, 0) / repeats
  // Folds differ by a row: their mean share is what the correction is made for.
  const share =
    runs.reduce((sum, { train, test }) => sum + test.length / train.length, 0) / runs.length
  const measure = ({ said }: Board) => {
    const right = runs.map(({ test, repeat }) =>
      test.map((row) => sameSet(said[repeat]!.get(row)!, truth[row]!)),
    )
    const scores = right.map((rows) => rows.filter(Boolean).length / rows.length)
    const f1 = said.map((answers) => measureF1({ truth, labels: set.labels.length }, answers))
    return {
      ...{ scores, right: right.flat() },
      figures: {
        accuracy: meanOf(scores),
        interval: resampledShareInterval(scores, share, rows),
        macroF1: meanOf(f1.map(({ macro }) => macro)),
        microF1: meanOf(f1.map(({ micro }) => micro)),
      },
    }
  }
  const { head, ...baselines } = Object.fromEntries(
    [...boards].map(([name, board]) => [name, measure(board)]),
  )
  const own = head!
  return {
    ...{ repeats, folds, rows },
    ...own.figures,
    rowsForFivePoints: rowsForMargin(own.figures.accuracy, FIVE_POINTS),
    baselines: Object.entries(baselines).map(([name, { scores, right, figures }]) => {
      const gains = own.scores.map((score, run) => score - scores[run]!)
      const won = own.right.filter((one, i) => one && !right[i]).length / repeats
      const lost = own.right.filter((one, i) => !one && right[i]).length / repeats
      const gain = gainOf(gains, share, { won, lost, rows })
      return { name: name as BaselineName, ...figures, gain }
    }),
  }
}

/**
 * Runs that all gain the same say too little of their spread: the exact paired interval of the rows as they fall in one
 * repetition on average stands instead where it is wider.
 */
function gainOf(
  gains: readonly number[],
  share: number,
  counts: { readonly won: number; readonly lost: number; readonly rows: number },
): RepeatedBaseline['gain'] {
  const difference = meanOf(gains)
  const { low, high, method } = comparePaired(
    Math.round(counts.won),
    Math.round(counts.lost),
    Math.round(counts.rows),
  )
  const corrected = correctedInterval(gains, share)
  if (corrected === null || corrected.high - corrected.low < high - low) {
    return { difference, low: Math.min(low, difference), high: Math.max(high, difference), method }
  }
  return {
    ...{ difference, method: corrected.method },
    low: Math.max(-1, corrected.low),
    high: Math.min(1, corrected.high),
  }
}

function measureF1(
  { truth, labels }: Pick<Answers, 'truth' | 'labels'>,
  answers: ReadonlyMap<number, readonly number[]>,
) {
  const rows = [...answers.keys()]
  const { macro, micro } = tallyF1({
    said: rows.map((row) => answers.get(row)!),
    truth: rows.map((row) => truth[row]!),
    labels,
  })
  for (const at of rows.keys()) macro.add(at, 1)
  return { macro: macro.value(), micro: micro() }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
}
