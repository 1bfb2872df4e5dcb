import type { LabelledExample } from '../../dataset/examples.ts'
import type { ExampleSplit } from './split-examples.ts'

/** The latest rows on one side, all that lie strictly earlier on the other. */
export interface TimeSplit extends ExampleSplit {
  /** The time of the earliest unit that is held out; null where all rows are of one time. */
  readonly cut: number | null
}

/**
 * Holds out the latest rows: of all cuts between two times the one that comes closest to the share. Rows of one time are
 * on one side, and what stays together is as late as its latest row.
 */
export function splitByTime(examples: readonly LabelledExample[], share: number): TimeSplit {
  const times = timesOfUnits(examples)
  const counts = new Map<number, number>()
  for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1)
  const owed = examples.length * share
  let cut: number | null = null
  let held = 0
  let closest = Number.POSITIVE_INFINITY
  // The earliest time is no cut: nothing would be left to learn from.
  for (const [time, count] of [...counts].sort(([a], [b]) => b - a).slice(0, -1)) {
    held += count
    if (Math.abs(held - owed) >= closest) break
    closest = Math.abs(held - owed)
    cut = time
  }
  const train: number[] = []
  const test: number[] = []
  for (const [at, time] of times.entries()) (cut !== null && time >= cut ? test : train).push(at)
  return { train, test, cut }
}

/** Of each example the latest time of what it stays together with. */
export function timesOfUnits(examples: readonly LabelledExample[]): readonly number[] {
  const latest = new Map<number, number>()
  for (const { together, time } of examples) {
    if (together === undefined) continue
    latest.set(together, Math.max(time!, latest.get(together) ?? Number.NEGATIVE_INFINITY))
  }
  return examples.map(({ together, time }) =>
    together === undefined ? time! : latest.get(together)!,
  )
}
