/** Calls back at an interval until it is stopped; tests bring one that they turn by hand. */
export type Ticker = (tick: () => void, intervalMs: number) => () => void

/** How often runs are looked at. */
export const TICK_MS = 250
/** Tokens that have the time of the setting; the largest run of a CPU. */
const TOKENS_OF_TIMEOUT = 512
export const DEFAULT_RUN_TIMEOUT_MS = 60_000

/** A timer of Node.js that keeps no process alive. */
export const intervalTicker: Ticker = (tick, intervalMs) => {
  const timer = setInterval(tick, intervalMs).unref()
  return () => clearInterval(timer)
}

/**
 * How many ticks a job may run. Ticks are counted, not milliseconds: a process that was stopped, or a machine that
 * slept, has not ticked meanwhile, so that its runs do not count as stuck when it goes on.
 * @param tokens estimated tokens of the job
 * @param timeoutMs the time of a job of up to 512 tokens
 */
export function ticksFor(tokens: number, timeoutMs: number): number {
  const scale = Math.max(1, tokens / TOKENS_OF_TIMEOUT)
  return 1 + Math.ceil((timeoutMs * scale) / TICK_MS)
}
