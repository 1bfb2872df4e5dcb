import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import { formatTime, type TimeColumn } from '../../dataset/times.ts'
import { splitByTime } from '../rows/split-by-time.ts'
import { type ExampleSplit, splitExamples } from '../rows/split-examples.ts'

/** What decides on the test rows. */
export interface HoldOutRequest {
  /** Share of the rows, 0 to 0.9. */
  readonly testFraction: number
  readonly seed: number
}

/**
 * Holds rows out for the test: the latest where there is a column of times, else a share of each class.
 * @throws EspalierError `invalid_data` where all rows are of one time
 */
export function holdOut(
  examples: readonly LabelledExample[],
  { testFraction, seed }: HoldOutRequest,
  { times, source }: { readonly times: TimeColumn | undefined; readonly source: string },
): ExampleSplit {
  if (times === undefined || testFraction === 0) return splitExamples(examples, testFraction, seed)
  const split = splitByTime(examples, testFraction)
  if (split.cut !== null) return split
  const first = examples[0]!.time!
  const what = examples.every(({ time }) => time === first)
    ? `all rows are of ${formatTime(first, times.kind)} in "${times.name}"`
    : `what stays together reaches up to the latest row of "${times.name}"`
  throw dataError(source, null, `${what}: no rows are earlier to learn from`)
}

/** The labels that training rows have, in their order. With a column of times the others are in the test alone. */
export function learntLabels({
  classes,
  train,
  times,
}: {
  readonly classes: readonly string[]
  readonly train: readonly LabelledExample[]
  readonly times?: TimeColumn | undefined
}): readonly string[] {
  if (times === undefined) return classes
  const learnt = new Set(train.flatMap(({ labels }) => labels))
  return classes.filter((label) => learnt.has(label))
}
