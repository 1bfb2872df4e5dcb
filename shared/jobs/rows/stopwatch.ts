import type { Clock } from '../../lib/clock.ts'

/** Measures the stages of a job, one after the other, in milliseconds. */
export function createStopwatch({ clock }: { readonly clock: Clock }) {
  const timings: { stage: string; milliseconds: number }[] = []
  let startedMs = clock.monotonicMs()
  return {
    timings,
    finish(stage: string): void {
      const nowMs = clock.monotonicMs()
      timings.push({ stage, milliseconds: nowMs - startedMs })
      startedMs = nowMs
    },
  }
}
