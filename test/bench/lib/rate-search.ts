/** What one try of a rate showed. */
export interface Trial {
  readonly rate: number
  readonly held: boolean
}

/** How the highest rate is looked for. */
export interface RateSearch {
  /** The first rate to try. */
  readonly start: number
  /** Step while only successes, or only failures, are known. */
  readonly factor: number
  /** Enough is known when the lowest failure is within this factor of the highest success. */
  readonly resolution: number
  readonly maxTrials: number
}

/**
 * The next rate to try, or null when enough is known or tried: steps up or down by `factor` until a success and
 * a failure are known, then halves the distance between them on a logarithmic scale.
 */
export function nextRate(trials: readonly Trial[], search: RateSearch): number | null {
  if (trials.length >= search.maxTrials) return null
  const held = bestRate(trials)
  const failed = Math.min(...trials.filter((trial) => !trial.held).map(({ rate }) => rate))
  if (trials.length === 0) return search.start
  if (held === 0) return failed / search.factor
  if (failed === Number.POSITIVE_INFINITY) return held * search.factor
  return failed / held <= search.resolution ? null : Math.sqrt(failed * held)
}

/** The highest rate that held; 0 when none did. */
export function bestRate(trials: readonly Trial[]): number {
  return Math.max(0, ...trials.filter(({ held }) => held).map(({ rate }) => rate))
}
