import type { EncoderManifest } from '../../lib/manifests/encoder-manifest.ts'

/** Calls back at an interval until it is stopped; tests bring one that they turn by hand. */
export type Ticker = (tick: () => void, intervalMs: number) => () => void

/** How often runs are looked at. */
export const TICK_MS = 250
/** Tokens of texts that have the time of the setting; the largest run of a CPU. */
const TOKENS_OF_TIMEOUT = 512
/** Images that have it, where each counts one and one more for each million of its pixels: some 0.2 seconds of work. */
const IMAGES_OF_TIMEOUT = 16
export const DEFAULT_RUN_TIMEOUT_MS = 60_000

/** A timer of Node.js that keeps no process alive. */
export const intervalTicker: Ticker = (tick, intervalMs) => {
  const timer = setInterval(tick, intervalMs).unref()
  return () => clearInterval(timer)
}

/** The tokens of a job that have the time of the setting. */
export function tokensOfTimeout(manifest: EncoderManifest): number {
  return manifest.modality === 'image' ? IMAGES_OF_TIMEOUT * manifest.tokens : TOKENS_OF_TIMEOUT
}

/**
 * How many ticks a job may run. Ticks are counted, not milliseconds: a process that was stopped, or a machine that
 * slept, has not ticked meanwhile, so that its runs do not count as stuck when it goes on.
 * @param timeoutMs the time of the smallest jobs
 * @param scale how many times as much there is to do; less than one counts as one
 */
export function ticksFor(timeoutMs: number, scale = 1): number {
  return 1 + Math.ceil((timeoutMs * Math.max(1, scale)) / TICK_MS)
}
