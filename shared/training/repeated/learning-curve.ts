import { EspalierError } from '../../lib/errors.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { countFeaturesOnce } from '../baselines/hashed-features.ts'
import { answerByTfIdf } from '../baselines/tf-idf.ts'
import { type Forecast, forecastDoubling } from '../evaluation/power-law.ts'
import { assignFolds, sampleRows } from '../numerics/folds.ts'
import type { Refit } from '../refit.ts'
import type { TrainingSet, TrainTools } from '../types.ts'
import { answerRows, labelsOf, takeVectors } from './answer-rows.ts'
import {
  type CurveFigure,
  figureOf,
  judge,
  type Run,
  type Share,
  summariseDraws,
  summariseFolds,
} from './curve-figures.ts'

/** What is reached with so many rows. */
export interface CurvePoint {
  /** Rows that were learnt: with folds, the mean. */
  readonly rows: number
  /** Draws of such rows, one a fold where there are folds. */
  readonly draws: number
  readonly head: CurveFigure
  /** Without pretraining, on the same draws; null where it would take too long. */
  readonly tfIdf: CurveFigure | null
}

export interface LearningCurve {
  /** Different rows that were answered. */
  readonly rows: number
  /** Whether they are the test rows, or held out of the training rows in folds. */
  readonly on: 'test' | 'folds'
  /** From few rows to all. */
  readonly points: readonly CurvePoint[]
  /** Null where the points follow no power law. */
  readonly forecast: Forecast | null
}

/** Rows with their vectors and texts; null for images. */
export interface CurveRows {
  readonly set: Pick<
    TrainingSet,
    'embeddings' | 'dimension' | 'targets' | 'labelSets' | 'labels' | 'together'
  >
  readonly texts: readonly string[] | null
}

export interface CurveRequest {
  readonly learnt: CurveRows
  readonly refit: Refit
  /** The rows to answer; null to hold out folds of the learnt ones. */
  readonly test:
    | (CurveRows & { readonly whole: { readonly head: Share; readonly tfIdf: Share | null } })
    | null
  readonly seed: number
}

/** A size is fitted up to so many rows; all rows are there anyway. */
const MAX_ROWS = 10_000
const MAX_LABELS = 500
const FEWEST_ROWS = 8
const ROWS_A_LABEL = 2
const SIZES = 4
const FEWEST_SIZES = 3
const FOLDS = 5
/** Seeds of draws are so far apart. */
const SEED_STEP = 7919
/** With more rows the folds would take long. */
const MAX_FOLD_ROWS = 2_000
/** Rows times labels of all draws of a size: with more only one is made, and with folds each has its own. */
const WORK = 50_000
/** The same of one fit of TF-IDF. */
const MAX_TFIDF_WORK = 200_000
const MAX_DRAWS = 5
/** Of fewer no spread can be told. */
const FEWEST_DRAWS = 3

/** A part of the rows that is learnt from, and how what it makes is judged. */
interface Trial {
  readonly pool: Int32Array
  readonly asked: CurveRows
  readonly truth: readonly (readonly number[])[]
}

/**
 * Learns from fewer and fewer rows, halving them, by the method and settings that all rows chose, and sets every size
 * beside TF-IDF on the same draws. Null for very many labels, and for rows that are too few to be halved twice.
 * @throws EspalierError `request_cancelled`
 */
export async function measureLearningCurve(
  request: CurveRequest,
  { kernels, signal, onProgress }: TrainTools,
): Promise<LearningCurve | null> {
  const { learnt, test, seed } = request
  const { labels } = learnt.set
  const truth = labelsOf(learnt.set)
  const groups = Int32Array.from(truth, (each) => each[0] ?? labels.length)
  if (labels.length > MAX_LABELS) return null
  if (test === null && truth.length > MAX_FOLD_ROWS) return null
  const trials = test === null ? holdOut(learnt, groups, seed) : [wholeOf(learnt, test)]
  const whole = trials.reduce((sum, { pool }) => sum + pool.length, 0) / Math.max(trials.length, 1)
  const sizes = sizesOf(whole, labels.length, test === null)
  if (trials.length === 0 || sizes.length + (test === null ? 0 : 1) < FEWEST_SIZES) return null
  const count = countFeaturesOnce()
  const points: CurvePoint[] = []
  for (const [done, size] of sizes.entries()) {
    onProgress?.('learning curve', done, sizes.length)
    const isWhole = size >= whole
    const runs =
      test === null ? trials : Array<Trial>(drawsOf(size * labels.length)).fill(trials[0]!)
    const found = { head: [] as Run[], tfIdf: [] as Run[] }
    for (const [place, trial] of runs.entries()) {
      if (signal?.aborted) throw new EspalierError('request_cancelled', 'training was cancelled')
      const random = createRandom(seed + SEED_STEP * (1 + place + MAX_DRAWS * done))
      const rows = isWhole ? trial.pool : drawRows(trial.pool, groups, size, random)
      const head = await request.refit(rows)
      const said = await answerRows(head, trial.asked.set.embeddings, kernels)
      found.head.push(judge(rows.length, said, trial.truth))
      const other = answerWithout(learnt, truth, rows, trial, { seed, count })
      if (other !== null) found.tfIdf.push(judge(rows.length, other, trial.truth))
    }
    const summarise = test === null ? summariseFolds : summariseDraws
    points.push({
      rows: Math.round(found.head.reduce((sum, run) => sum + run.learnt, 0) / runs.length),
      draws: runs.length,
      head: summarise(found.head),
      tfIdf: found.tfIdf.length < runs.length ? null : summarise(found.tfIdf),
    })
  }
  points.reverse()
  if (test !== null) points.push(wholePoint(truth.length, test))
  onProgress?.('learning curve', sizes.length, sizes.length)
  const errors = points.map(({ rows, head }) => ({
    ...{ rows, error: 1 - head.accuracy },
    deviation: (head.interval.high - head.interval.low) / 4,
  }))
  const rows = trials.reduce((sum, trial) => sum + trial.truth.length, 0)
  return { rows, on: test === null ? 'folds' : 'test', points, forecast: forecastDoubling(errors) }
}

function wholeOf({ set }: CurveRows, test: CurveRows): Trial {
  const { targets, labelSets } = set
  const pool = Int32Array.from({ length: (targets ?? labelSets ?? []).length }, (_, row) => row)
  return { pool, asked: test, truth: labelsOf(test.set) }
}

function holdOut({ set, texts }: CurveRows, groups: Int32Array, seed: number): Trial[] {
  const assigned = assignFolds(groups, FOLDS, createRandom(seed), set.together)
  const truth = labelsOf(set)
  const trials: Trial[] = []
  for (let fold = 0; fold < FOLDS; fold++) {
    const held = [...assigned.keys()].filter((row) => assigned[row] === fold)
    if (held.length === 0) continue
    trials.push({
      pool: Int32Array.from(assigned.keys()).filter((row) => assigned[row] !== fold),
      asked: {
        set: { ...set, embeddings: takeVectors(set, held) },
        texts: texts && held.map((row) => texts[row]!),
      },
      truth: held.map((row) => truth[row]!),
    })
  }
  return trials
}

/** Numbers of rows to learn, the most first: halves of all, and with folds all. */
function sizesOf(rows: number, labels: number, isWhole: boolean): number[] {
  const fewest = Math.max(FEWEST_ROWS, ROWS_A_LABEL * labels)
  const sizes: number[] = isWhole ? [rows] : []
  for (let size = rows / 2; size >= fewest && sizes.length < SIZES; size /= 2) {
    if (size <= MAX_ROWS) sizes.push(size)
  }
  return sizes
}

function drawsOf(work: number): number {
  const draws = Math.min(MAX_DRAWS, Math.floor(WORK / work))
  return draws < FEWEST_DRAWS ? 1 : draws
}

/** So many rows of the pool, ascending, every label with a row at least. */
function drawRows(
  pool: Int32Array,
  groups: Int32Array,
  size: number,
  random: ReturnType<typeof createRandom>,
): Int32Array {
  const own = pool.map((row) => groups[row]!)
  return sampleRows(own, Math.round(size), random).map((at) => pool[at]!)
}

function answerWithout(
  { set, texts }: CurveRows,
  truth: readonly (readonly number[])[],
  rows: Int32Array,
  { asked }: Trial,
  { seed, count }: { readonly seed: number; readonly count: ReturnType<typeof countFeaturesOnce> },
): readonly (readonly number[])[] | null {
  const labels = set.labels.length
  if (texts === null || asked.texts === null || rows.length * labels > MAX_TFIDF_WORK) return null
  const learnt = {
    texts: Array.from(rows, (row) => texts[row]!),
    truth: Array.from(rows, (row) => truth[row]!),
    ...{ labels, multiLabel: set.labelSets !== null },
  }
  return answerByTfIdf(learnt, asked.texts, seed, count)
}

/** What the finished head and TF-IDF reached on the test rows. */
function wholePoint(rows: number, { whole }: NonNullable<CurveRequest['test']>): CurvePoint {
  const { head, tfIdf } = whole
  return { rows, draws: 1, head: figureOf(head), tfIdf: tfIdf && figureOf(tfIdf) }
}
