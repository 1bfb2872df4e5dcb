import { existsSync, rmSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Encoder } from '../../shared/encoder/types.ts'
import type { Ticker } from '../../shared/runtime/workers/run-deadline.ts'

/** A ticker that a test turns by hand: the deadlines of runs pass when it says so. */
export interface ManualTicker {
  readonly ticker: Ticker
  tick(times: number): void
}

export function createManualTicker(): ManualTicker {
  const ticks = new Set<() => void>()
  return {
    ticker(tick) {
      ticks.add(tick)
      return () => ticks.delete(tick)
    },
    tick(times) {
      for (let i = 0; i < times; i++) for (const tick of ticks) tick()
    },
  }
}

/**
 * Lets the deadline pass each time that a worker hangs in `HANG path` and no other worker is busy, until the work has
 * settled; only the worker that hangs is given up so.
 */
export async function passDeadlines(
  work: Promise<unknown>,
  { tick }: ManualTicker,
  encoder: Encoder,
  path: string,
): Promise<void> {
  let settled = false
  void work.then(
    () => {
      settled = true
    },
    () => {
      settled = true
    },
  )
  while (!settled) {
    const running = `${path}-running`
    if (existsSync(running) && encoder.load().busyWorkers === 1) {
      rmSync(running)
      const { stuckWorkers } = encoder.load()
      while (encoder.load().stuckWorkers === stuckWorkers) tick(1)
    }
    await nextTurn()
  }
}

/** Waits for what other threads, or a server, bring about: one turn of the event loop, or one question, after the other. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await nextTurn()
}
