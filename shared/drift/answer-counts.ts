import type { Prediction } from '../head/predict.ts'

/** Upper limits of the bins of scores; what is above the last one is in a bin of its own. Metrics show the same. */
export const SCORE_EDGES = [
  0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999,
] as const
export const SCORE_BINS = SCORE_EDGES.length + 1

/** What of an answer is counted. */
export type CountedAnswer = Pick<Prediction, 'label' | 'score' | 'inDistribution'> & {
  readonly labels: readonly { readonly label: string }[]
}

/** How answers are to be counted. */
export interface CountOptions {
  /** Every label that is listed was given; otherwise the best one alone. */
  readonly multiLabel: boolean
  /** False where a request chose how sure a label must be: its labels say nothing of the inputs. @default true */
  readonly isUsual?: boolean | undefined
}

/** Answers of one version as counts: as large for a million of them as for one. */
export class AnswerCounts {
  /** Answers. */
  answers = 0
  /** Answers that gave each label. */
  readonly labels = new Map<string, number>()
  /** Answers that gave no label. */
  none = 0
  /** Answers whose labels count in tests; a request may ask for labels by a threshold of its own. */
  usual = 0
  readonly usualLabels = new Map<string, number>()
  usualNone = 0
  /** Best scores, shape [SCORE_BINS]. */
  readonly scores: number[] = new Array<number>(SCORE_BINS).fill(0)
  scoreSum = 0
  /** Answers that a detector judged, and those of them that are like the training data. */
  judged = 0
  inside = 0

  add(answer: CountedAnswer, { multiLabel, isUsual = true }: CountOptions): void {
    const { label, score, labels, inDistribution } = answer
    this.answers++
    if (label === null) this.none++
    if (isUsual) {
      this.usual++
      if (label === null) this.usualNone++
    }
    if (multiLabel) for (const given of labels) this.#give(given.label, isUsual)
    else if (label !== null) this.#give(label, isUsual)
    this.scores[binOf(score)]!++
    this.scoreSum += score
    if (inDistribution === null) return
    this.judged++
    if (inDistribution) this.inside++
  }

  /** Adds all that others counted. */
  merge(other: AnswerCounts): void {
    this.answers += other.answers
    this.none += other.none
    this.usual += other.usual
    this.usualNone += other.usualNone
    for (const [label, count] of other.labels) increase(this.labels, label, count)
    for (const [label, count] of other.usualLabels) increase(this.usualLabels, label, count)
    for (const [bin, count] of other.scores.entries()) this.scores[bin]! += count
    this.scoreSum += other.scoreSum
    this.judged += other.judged
    this.inside += other.inside
  }

  #give(label: string, isUsual: boolean): void {
    increase(this.labels, label, 1)
    if (isUsual) increase(this.usualLabels, label, 1)
  }
}

/** Counts the answers of one request, or of many. */
export function countAnswers(
  answers: Iterable<CountedAnswer>,
  options: CountOptions,
): AnswerCounts {
  const counts = new AnswerCounts()
  for (const answer of answers) counts.add(answer, options)
  return counts
}

/** The bin of a score. */
export function binOf(score: number): number {
  let bin = 0
  while (bin < SCORE_EDGES.length && score > SCORE_EDGES[bin]!) bin++
  return bin
}

/** The bins that have something, each by its upper limit: `{"0.9":2,"1":14}`. */
export function nameBins(scores: readonly number[]): Record<string, number> {
  const named: Record<string, number> = {}
  for (const [bin, count] of scores.entries()) {
    if (count > 0) named[String(SCORE_EDGES[bin] ?? 1)] = count
  }
  return named
}

function increase(counts: Map<string, number>, label: string, count: number): void {
  counts.set(label, (counts.get(label) ?? 0) + count)
}
