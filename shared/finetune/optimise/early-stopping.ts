import type { Evaluation } from '../evaluate/evaluate-rows.ts'

/** Remembers which evaluation was best. */
export interface BestEvaluation {
  /** The step of the best one; 0 before any. */
  readonly step: number
  /** Evaluations since the best one. */
  readonly waited: number
  /** True when this evaluation is better than all before it. */
  note(step: number, evaluation: Evaluation | null): boolean
}

/**
 * Better is a higher accuracy, or the same with a lower loss: the loss alone punishes confidence that does no
 * harm. Without validation rows the latest weights are the best. A loss that is no number is never better.
 */
export function createBestEvaluation(): BestEvaluation {
  let best: Evaluation | null = null
  let bestStep = 0
  let waited = 0
  return {
    get step() {
      return bestStep
    },
    get waited() {
      return waited
    },
    note(step, evaluation) {
      if (evaluation !== null && !isBetter(evaluation, best)) {
        waited++
        return false
      }
      best = evaluation
      bestStep = step
      waited = 0
      return true
    },
  }
}

function isBetter(evaluation: Evaluation, best: Evaluation | null): boolean {
  if (!Number.isFinite(evaluation.loss)) return false
  if (best === null) return true
  if (evaluation.accuracy !== best.accuracy) return evaluation.accuracy > best.accuracy
  return evaluation.loss < best.loss
}
