/** Steps before the speed is trusted: the first ones prepare buffers. */
const WARM_STEPS = 2
const PROBE_STEPS = 5
/** Kept free of the budget for what cannot be foreseen. */
const RESERVE = 0.02

/** How the learning rate moves and when training has to end. */
export interface ScheduleOptions {
  /** Steps of all epochs. */
  readonly planned: number
  /** Share of the steps in which the rate rises. */
  readonly warmup: number
  /** Steps between two evaluations. */
  readonly evaluateEvery: number
  /** Milliseconds left at the first step; null for no limit. */
  readonly budgetMs: number | null
}

/** A plan of steps that shrinks so that it ends within its budget. */
export interface Schedule {
  /** Steps planned at present. */
  readonly total: number
  /** True where the budget allows fewer steps than the epochs have. */
  readonly cut: boolean
  /** Mean milliseconds of a step; null before the speed is known. */
  readonly stepMs: number | null
  /** Milliseconds that the remaining steps and evaluations will take; null before the speed is known. */
  remainingMs(step: number): number | null
  /** Factor of the peak learning rate at a step, from 0: linear warm-up, then linear decay to 0. */
  factor(step: number): number
  /** Notes a step that took this long, and plans anew. */
  noteStep(step: number, ms: number): void
  /** Notes an evaluation. */
  noteEvaluation(ms: number): void
}

/**
 * Linear warm-up and decay over all steps. With a budget the number of steps follows the measured speed, so
 * that the rate reaches 0 when time is over.
 */
export function createSchedule(options: ScheduleOptions): Schedule {
  const { planned, warmup, evaluateEvery, budgetMs } = options
  let total = budgetMs !== null && budgetMs <= 0 ? 0 : planned
  let spentMs = 0
  let timed = 0
  let timedMs = 0
  let evaluations = 0
  let evaluationsMs = 0
  const stepMs = () => (timed === 0 ? null : timedMs / timed)
  const evaluationMs = () => (evaluations === 0 ? 0 : evaluationsMs / evaluations)
  const plan = (done: number): void => {
    const each = stepMs()
    if (budgetMs === null || each === null || timed < PROBE_STEPS) return
    const left = budgetMs * (1 - RESERVE) - spentMs - evaluationMs()
    const cost = each + evaluationMs() / evaluateEvery
    total = Math.min(planned, done + Math.max(0, Math.floor(left / cost)))
  }
  return {
    get total() {
      return total
    },
    get cut() {
      return total < planned
    },
    get stepMs() {
      return stepMs()
    },
    remainingMs(step) {
      const each = stepMs()
      if (each === null) return null
      const steps = Math.max(0, total - step)
      return steps * each + Math.ceil(steps / evaluateEvery) * evaluationMs()
    },
    factor(step) {
      const rising = Math.ceil(total * warmup)
      if (step < rising) return (step + 1) / rising
      return Math.max(0, (total - step) / Math.max(1, total - rising))
    },
    noteStep(step, ms) {
      spentMs += ms
      if (step >= WARM_STEPS) {
        timed++
        timedMs += ms
      }
      plan(step + 1)
    },
    noteEvaluation(ms) {
      spentMs += ms
      evaluations++
      evaluationsMs += ms
    },
  }
}
