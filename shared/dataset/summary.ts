/** What may be odd about a data set without stopping it. */
export type DatasetWarningCode =
  | 'empty_texts'
  | 'empty_labels'
  | 'duplicates'
  | 'contradictions'
  | 'merged_rows'
  | 'similar_labels'
  | 'single_example_classes'

/** A counted warning with the first few cases. */
export interface DatasetWarning {
  readonly code: DatasetWarningCode
  readonly count: number
  /** A whole sentence, with the count and the fix. */
  readonly message: string
  /** Up to five cases: line numbers or labels. */
  readonly examples: readonly string[]
}

const MAX_EXAMPLES = 5

/** Collects cases of one warning: all are counted, a few are kept. */
export class WarningCounter {
  count = 0
  readonly examples: string[] = []

  add(example: string): void {
    this.count++
    if (this.examples.length < MAX_EXAMPLES) this.examples.push(example)
  }
}

/** The warnings that were met, worded for people. */
export function describeWarnings(
  counters: Readonly<Record<DatasetWarningCode, WarningCounter>>,
): DatasetWarning[] {
  const warnings: DatasetWarning[] = []
  for (const [code, counter] of Object.entries(counters) as [
    DatasetWarningCode,
    WarningCounter,
  ][]) {
    if (counter.count === 0) continue
    const { count, examples } = counter
    const cases = examples.join(', ') + (count > examples.length ? ', …' : '')
    warnings.push({ code, count, message: SENTENCES[code](count, cases), examples })
  }
  return warnings
}

const plural = (count: number, one: string, many: string): string =>
  `${count} ${count === 1 ? one : many}`

const SENTENCES: Record<DatasetWarningCode, (count: number, cases: string) => string> = {
  empty_texts: (n, cases) => `${plural(n, 'row', 'rows')} without text left out (${cases})`,
  empty_labels: (n, cases) => `${plural(n, 'row', 'rows')} without label left out (${cases})`,
  duplicates: (n, cases) =>
    `${plural(n, 'row repeats', 'rows repeat')} an earlier text and label (${cases})`,
  contradictions: (n, cases) =>
    `${plural(n, 'text has', 'texts have')} different labels in different rows (${cases}); ` +
    'correct them, or pass --multi-label where a text may have several labels',
  merged_rows: (n, cases) =>
    `${plural(n, 'row was', 'rows were')} merged into an earlier row of the same text (${cases})`,
  similar_labels: (n, cases) =>
    `${plural(n, 'group of labels differs', 'groups of labels differ')} only in case or space: ${cases}`,
  single_example_classes: (n, cases) =>
    `${plural(n, 'class has', 'classes have')} a single example: ${cases}`,
}
