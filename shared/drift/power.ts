import { fisherExactTest } from '../lib/maths/count-tests.ts'
import { kolmogorovSurvival } from '../lib/maths/distributions.ts'
import { FALSE_ALARM_RATE, isUsable, LEAST_ANSWERS, type ReferenceCounts } from './test-drift.ts'

/** The change that the figures are about: of like inputs so many fewer in a hundred. */
export const SHOWN_FALL = 0.1
/** The same of scores: the share of answers that a change moves past some score. */
const SHOWN_DISTANCE = 0.2
/** The normal number that nine of ten stay below. */
const NINE_OF_TEN = 1.2816
const MOST_ANSWERS = 1_000_000

/**
 * Answers from which on a fall of like inputs by ten points is found nine times in ten; without a detector, scores of
 * which a fifth moves. Null where the reference has too few rows for that, however many answers there are.
 */
export function answersNeeded(
  reference: ReferenceCounts,
  rate: number = FALSE_ALARM_RATE,
): number | null {
  if (!isUsable(reference)) return null
  const { inDistribution, rows } = reference
  const isFound = inDistribution ? findsFall(inDistribution, rate / 2) : findsMove(rows, rate)
  let high: number = LEAST_ANSWERS
  while (high < MOST_ANSWERS && !isFound(high)) high *= 2
  if (!isFound(high)) return null
  let low = high === LEAST_ANSWERS ? LEAST_ANSWERS - 1 : high / 2
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (isFound(middle)) high = middle
    else low = middle
  }
  return high
}

/** The sampling error of the answers, and of the rows, goes the wrong way once in ten times. */
function findsFall({ rows: judged, inside }: { rows: number; inside: number }, rate: number) {
  const share = inside / judged
  const fallen = Math.max(0, share - SHOWN_FALL)
  return (answers: number): boolean => {
    const variance = (fallen * (1 - fallen)) / answers + (share * (1 - share)) / judged
    const unlucky = fallen + NINE_OF_TEN * Math.sqrt(variance)
    return fisherExactTest(Math.round(unlucky * answers), answers, inside, judged) < rate
  }
}

function findsMove(rows: number, rate: number) {
  return (answers: number): boolean => {
    const size = Math.sqrt((answers * rows) / (answers + rows))
    return kolmogorovSurvival(SHOWN_DISTANCE * size - NINE_OF_TEN / 2) < rate
  }
}
