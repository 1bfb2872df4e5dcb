/** Where time comes from, so that tests can hold it still. */
export interface Clock {
  /** Milliseconds since 1970, for timestamps. */
  wallMs(): number
  /** Milliseconds that never run backwards, for durations. */
  monotonicMs(): number
}

/** The clock of this machine. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
