import { formatPoints, shorten } from './format.ts'
import type { ReportChampion, ReportClass, ReportTest, TrainingReport } from './types.ts'

/** Two labels and how often one was taken for the other, in either direction. */
export interface ConfusedPair {
  readonly first: string
  readonly second: string
  readonly count: number
}

/** Pairs of labels by how often they are confused, and the number of all errors. */
export function confusedPairs(
  labels: readonly string[],
  test: ReportTest,
): { pairs: ConfusedPair[]; errors: number } {
  const counts = new Map<number, number>()
  let errors = 0
  for (const { actual, predicted, count } of test.confusions) {
    if (actual === predicted) continue
    errors += count
    const key = Math.min(actual, predicted) * labels.length + Math.max(actual, predicted)
    counts.set(key, (counts.get(key) ?? 0) + count)
  }
  const pairs = [...counts].map(([key, count]) => ({
    first: labels[Math.floor(key / labels.length)] ?? '?',
    second: labels[key % labels.length] ?? '?',
    count,
  }))
  return { pairs: pairs.sort((a, b) => b.count - a.count), errors }
}

/** Classes from the lowest F1 up; classes without an F1 come last. */
export function orderByF1(classes: readonly ReportClass[]): ReportClass[] {
  const rank = ({ f1 }: ReportClass): number => (f1 === null || Number.isNaN(f1) ? 2 : f1)
  return [...classes].sort((a, b) => rank(a) - rank(b) || b.support - a.support)
}

/** What the comparison with the champion comes to. */
export type ChampionComparison = 'better' | 'worse' | 'even'

/** Better or worse only where the whole interval says so. */
export function compareChampion({ low, high }: ReportChampion): ChampionComparison {
  if (low > 0) return 'better'
  return high < 0 ? 'worse' : 'even'
}

const COMPARISONS: Readonly<Record<ChampionComparison, string>> = {
  better: 'Better than',
  worse: 'Worse than',
  even: 'No clear difference from',
}

/** The comparison as one sentence; `model` is the champion's name as it should be shown. */
export function describeChampion(champion: ReportChampion, model: string): string {
  const { difference, low, high } = champion
  return (
    `${COMPARISONS[compareChampion(champion)]} the champion ${model} on the same test rows: ` +
    `${formatPoints(difference)} points of accuracy (95 % interval ${formatPoints(low)} to ${formatPoints(high)})`
  )
}

/** Where the numbers come from, in a few words. */
export function describeSplit({ split }: TrainingReport): string {
  if (split.kind === 'none') return 'no rows held out'
  if (split.kind === 'grouped') return 'a grouped, stratified, seeded share'
  if (split.kind === 'time') {
    const { cut, column } = split.periods ?? { cut: '?', column: '?' }
    return `the latest rows, from ${shorten(cut, 40)} on by "${shorten(column, 40)}"`
  }
  return split.kind === 'file' ? 'a test file of its own' : 'a stratified, seeded share'
}
