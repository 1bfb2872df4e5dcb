import { betaQuantile } from '../../lib/maths/distributions.ts'

/** What a score to answer from may miss: the precision holds in 95 of 100 trainings. */
const DELTA = 0.05
/** Shares of the rows that searches start from, and the steps that they go up by. */
const STARTS = 10
const STEPS = 100

/** Rows that are answered from a score on. */
export interface AnsweredRows {
  /** Score from which answers are given. */
  readonly minScore: number
  readonly answered: number
  readonly right: number
  /** The precision is at least this, in 95 of 100 trainings. */
  readonly low: number
}

export interface ChosenMinScore {
  readonly rows: number
  /** The most rows that can be answered with the precision; null where it is not shown for any. */
  readonly chosen: AnsweredRows | null
  /** The highest precision that is shown, of about any share of the rows; null without rows. */
  readonly best: AnsweredRows | null
  /** Rows that must be answered, all of them rightly, before the precision is shown. */
  readonly needed: number
}

/**
 * The score from which on answers are right with a precision, by testing shares of the rows in a fixed order (learn then
 * test, Angelopoulos et al. 2021): from each of ten shares on, upwards while the exact one-sided bound of the error at δ/10
 * allows it. All that is accepted holds together in 95 of 100 trainings, for rows like these.
 * @param confidences shape [rows]: probability of the answer
 * @param right shape [rows]: 1 where the answer is right
 * @param precision share of right answers, below 1
 */
export function chooseMinScore(
  confidences: ArrayLike<number>,
  right: ArrayLike<number>,
  precision: number,
): ChosenMinScore {
  const rows = confidences.length
  const needed = Math.ceil(Math.log(DELTA / STARTS) / Math.log(precision))
  if (rows === 0) return { rows, chosen: null, best: null, needed }
  const answerMost = countAnswers(confidences, right)
  const answer = (step: number) => answerMost(Math.max(1, Math.floor((rows * step) / STEPS)))
  let chosen: AnsweredRows | null = null
  let best = answer(STEPS)
  for (let start = STEPS / STARTS; start <= STEPS; start += STEPS / STARTS) {
    for (let step = start; step <= STEPS; step++) {
      const found = answer(step)
      if (step === start && found.low > best.low) best = found
      if (found.low < precision) break
      if (chosen === null || found.answered > chosen.answered) chosen = found
    }
  }
  return { rows, chosen, best, needed }
}

/** Answers about so many of the surest rows; rows of equal confidence together. */
function countAnswers(confidences: ArrayLike<number>, right: ArrayLike<number>) {
  const rows = confidences.length
  const order = Int32Array.from({ length: rows }, (_, row) => row)
  order.sort((a, b) => confidences[b]! - confidences[a]!)
  const sums = new Int32Array(rows + 1)
  order.forEach((row, at) => {
    sums[at + 1] = sums[at]! + right[row]!
  })
  return (count: number): AnsweredRows => {
    const minScore = confidences[order[count - 1]!]!
    let answered = count
    while (answered < rows && confidences[order[answered]!] === minScore) answered++
    const own = sums[answered]!
    const wrong = answered - own
    return {
      ...{ minScore, answered, right: own },
      low: own === 0 ? 0 : 1 - betaQuantile(1 - DELTA / STARTS, wrong + 1, own),
    }
  }
}
