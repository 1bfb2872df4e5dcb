/** What may be odd about a data set without stopping it. */
export type DatasetWarningCode =
  | 'empty_texts'
  | 'empty_labels'
  | 'missing_values'
  | 'duplicates'
  | 'contradictions'
  | 'merged_rows'
  | 'similar_labels'
  | 'single_example_classes'
  | GroupWarningCode
  | 'not_images'
  | 'unreadable_images'

/** What a column of groups says of a data set. */
export type GroupWarningCode =
  | 'rows_without_group'
  | 'groups_of_several_labels'
  | 'groups_on_both_sides'

/** What vectors say of rows, beside what their reading finds; the last three are of the cut that they decide. */
export type EncoderWarningCode =
  | 'unknown_tokens'
  | 'unknown_scripts'
  | 'cut_texts'
  | 'near_duplicates'
  | 'near_duplicates_of_training'
  | 'labels_of_late_rows'
  | 'rows_before_cut'
  | 'uneven_cut'

/** A counted warning with the first few cases. */
export interface DatasetWarning {
  readonly code: DatasetWarningCode | EncoderWarningCode
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

/** The warnings that were met, worded for people; `noun` is what an input is. */
export function describeWarnings(
  counters: Readonly<Partial<Record<DatasetWarningCode, WarningCounter>>>,
  noun: 'text' | 'image' = 'text',
): DatasetWarning[] {
  const warnings: DatasetWarning[] = []
  for (const [code, counter] of Object.entries(counters) as [
    DatasetWarningCode,
    WarningCounter,
  ][]) {
    if (counter.count === 0) continue
    const { count, examples } = counter
    const cases = examples.join(', ') + (count > examples.length ? ', …' : '')
    warnings.push({ code, count, message: SENTENCES[code](count, cases, noun), examples })
  }
  return warnings
}

const plural = (count: number, one: string, many: string): string =>
  `${count} ${count === 1 ? one : many}`

const SENTENCES: Record<
  DatasetWarningCode,
  (count: number, cases: string, noun: string) => string
> = {
  empty_texts: (n, cases) => `${plural(n, 'row', 'rows')} without text left out (${cases})`,
  empty_labels: (n, cases) => `${plural(n, 'row', 'rows')} without label left out (${cases})`,
  missing_values: (n, cases) =>
    `${plural(n, 'cell says', 'cells say')} that there is no value (${cases}) and ${n === 1 ? 'is' : 'are'} ` +
    'taken as written; empty such cells to leave their rows out',
  duplicates: (n, cases, noun) =>
    `${plural(n, 'row repeats', 'rows repeat')} an earlier ${noun} and label (${cases})`,
  contradictions: (n, cases, noun) =>
    `${plural(n, `${noun} has`, `${noun}s have`)} different labels in different rows (${cases}); ` +
    `correct them, or train with several labels a ${noun} (multi-label)`,
  merged_rows: (n, cases, noun) =>
    `${plural(n, 'row was', 'rows were')} merged into an earlier row of the same ${noun} (${cases})`,
  similar_labels: (n, cases) =>
    `${plural(n, 'group of labels differs', 'groups of labels differ')} only in case, space or how a number is written: ${cases}`,
  single_example_classes: (n, cases) =>
    `${plural(n, 'class has', 'classes have')} a single example: ${cases}`,
  rows_without_group: (n, cases) =>
    `${plural(n, 'row has', 'rows have')} no group and ${n === 1 ? 'stands' : 'stand'} alone (${cases})`,
  groups_of_several_labels: (n, cases) =>
    `${plural(n, 'group has rows', 'groups have rows')} of several labels (${cases}); shares of labels are kept as far as whole groups allow`,
  groups_on_both_sides: (n, cases) =>
    `${plural(n, 'test row', 'test rows')} left out, as their groups have training rows (${cases})`,
  not_images: (n, cases) =>
    `${plural(n, 'file that is no image', 'files that are no images')} left out (${cases})`,
  unreadable_images: (n, cases) =>
    `${plural(n, 'image that cannot be read', 'images that cannot be read')} left out (${cases})`,
}
