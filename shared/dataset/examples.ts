import { isBlank } from '../lib/text/text.ts'
import { dataError } from './data-error.ts'
import type { HashedImage } from './image-file.ts'
import { placeOf } from './image-rows.ts'
import {
  type DatasetWarning,
  type DatasetWarningCode,
  describeWarnings,
  type GroupWarningCode,
  WarningCounter,
} from './summary.ts'
import { takeLatest } from './times.ts'

/** An input with its labels: one where the data are single-label, none or more where multi-label. */
export interface LabelledExample {
  /** The text; of an image, the path that names it. */
  readonly text: string
  readonly labels: readonly string[]
  /** Where the input is an image. */
  readonly image?: HashedImage | undefined
  /** Of a text: the line of its file that it was first read from. */
  readonly line?: number | undefined
  /** The value of the column of groups; of an empty cell undefined. */
  readonly group?: string | undefined
  /** The value of the column of times, of repeated rows the latest. */
  readonly time?: number | undefined
  /** Examples with the same number stay on one side of every split. */
  readonly together?: number | undefined
}

/** What makes an input the same as another: its text but for space around it, or the image's content. */
export function identityOf({ text, image }: Pick<LabelledExample, 'text' | 'image'>): string {
  return image?.sha256 ?? text.trim()
}

/** How rows become examples. */
export interface ExampleOptions {
  /** Splits a string cell into several labels and makes the data multi-label. */
  readonly labelSeparator?: string | undefined
  /** True merges repeated rows of a text into one with all their labels. @default whether a cell is a list */
  readonly multiLabel?: boolean | undefined
  /** What happens to repeated rows with the same labels; a test set keeps them. @default drop */
  readonly duplicates?: 'drop' | 'keep' | undefined
  /** Accept a single class, as a test set may have. @default false */
  readonly allowOneClass?: boolean | undefined
  /** @default 10,000 */
  readonly maxClasses?: number | undefined
}

/** A row as read: the label cell is a string, or a list where JSONL has one. */
export interface LabelledRow {
  readonly line: number
  readonly place?: string | undefined
  readonly text: string
  readonly label: string | readonly string[]
  readonly image?: HashedImage | undefined
  readonly group?: string | undefined
  readonly time?: number | undefined
}

/** Examples made of rows. */
export interface AssembledExamples {
  readonly examples: LabelledExample[]
  /** Examples per class, in the classes' order. */
  readonly classCounts: ReadonlyMap<string, number>
  readonly multiLabel: boolean
  readonly warnings: readonly DatasetWarning[]
}

const MAX_CLASSES = 10_000
/** From so many different ones on, decimal numbers and dates are no classes where most occur once. */
const MIN_AMOUNTS = 10
const AMOUNT =
  /^(?:[-+]?\d*[.,]\d+(?:e[-+]?\d+)?|\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4})$/i
const NUMBER = /^[-+]?\d+(?:\.\d+)?$/

type Counters = Record<Exclude<DatasetWarningCode, GroupWarningCode>, WarningCounter>
/** Files that became no row. */
export type SkippedFiles = Pick<Counters, 'not_images' | 'unreadable_images'>

/** Counters of what is met while rows are read. */
type ReadingCounters = SkippedFiles & Partial<Pick<Counters, 'missing_values'>>

/** Counters of files that become no row. */
export function countSkippedFiles(): SkippedFiles {
  return { not_images: new WarningCounter(), unreadable_images: new WarningCounter() }
}

/**
 * Turns rows into examples: drops the empty, notes or merges the repeated, and checks the classes.
 * Two texts are the same when they are equal but for space around them; labels lose that space.
 * @throws EspalierError `invalid_data` where nothing is left or there is nothing to tell apart
 */
export function assembleExamples(
  name: string,
  labelColumn: string,
  rows: readonly LabelledRow[],
  options: ExampleOptions,
  skipped: ReadingCounters = countSkippedFiles(),
): AssembledExamples {
  const { missing_values: missing = new WarningCounter(), ...files } = skipped
  const counters: Counters = {
    ...files,
    empty_texts: new WarningCounter(),
    empty_labels: new WarningCounter(),
    missing_values: missing,
    duplicates: new WarningCounter(),
    contradictions: new WarningCounter(),
    merged_rows: new WarningCounter(),
    similar_labels: new WarningCounter(),
    single_example_classes: new WarningCounter(),
  }
  const { labelSeparator: separator } = options
  const list = rows.find((row) => typeof row.label !== 'string')
  if (list !== undefined && options.multiLabel === false) {
    throw dataError(name, list.line, `"${labelColumn}" is a list, but one label is expected`)
  }
  const multiLabel = options.multiLabel ?? (separator !== undefined || list !== undefined)
  const labelled = rows.flatMap((row) => {
    if (isBlank(row.text)) {
      counters.empty_texts.add(placeOf(row))
      return []
    }
    const labels = splitLabels(row.label, separator)
    // A list may be empty where a text has none of the labels; an empty cell of one label says nothing.
    if (labels.length === 0 && !multiLabel) {
      counters.empty_labels.add(placeOf(row))
      return []
    }
    return [{ ...row, labels }]
  })
  const drop = options.duplicates !== 'keep'
  const timed = drop ? takeLatest(labelled, multiLabel ? identityOf : keyOf) : labelled
  const examples = (multiLabel ? mergeRepeated : noteRepeated)(timed, counters, drop)
  const classCounts = countClasses(name, labelColumn, examples, options.maxClasses ?? MAX_CLASSES)
  checkClasses(name, labelColumn, examples, classCounts, multiLabel, options)
  noteClasses(classCounts, counters)
  const noun = rows[0]?.image ? 'image' : 'text'
  return { examples, classCounts, multiLabel, warnings: describeWarnings(counters, noun) }
}

interface SplitRow extends LabelledExample {
  readonly line: number
  readonly place?: string | undefined
}

/** What makes a row a repetition where it has one label. */
function keyOf(row: SplitRow): string {
  return JSON.stringify([identityOf(row), row.labels])
}

function exampleOf({ text, labels, image, line, group, time }: SplitRow): LabelledExample {
  return {
    ...{ text, labels },
    ...(image === undefined ? { line } : { image }),
    ...(group !== undefined && { group }),
    ...(time !== undefined && { time }),
  }
}

/** The labels of a cell, without the space around them and without repetition. */
export function splitLabels(label: string | readonly string[], separator?: string): string[] {
  const parts = typeof label !== 'string' ? label : separator ? label.split(separator) : [label]
  return [...new Set(parts.map((part) => part.trim()).filter((part) => !isBlank(part)))]
}

function noteRepeated(rows: readonly SplitRow[], counters: Counters, drop: boolean) {
  const examples: LabelledExample[] = []
  // The label of a text when it is met, then a list once there is a second one.
  const seen = new Map<string, string | string[]>()
  for (const row of rows) {
    const key = identityOf(row)
    const label = row.labels[0]!
    const known = seen.get(key)
    if (known === label || (Array.isArray(known) && known.includes(label))) {
      counters.duplicates.add(placeOf(row))
      if (drop) continue
    } else if (known === undefined) {
      seen.set(key, label)
    } else if (Array.isArray(known)) {
      known.push(label)
    } else {
      counters.contradictions.add(`${placeOf(row)}: "${known}" and "${label}"`)
      seen.set(key, [known, label])
    }
    examples.push(exampleOf(row))
  }
  return examples
}

function mergeRepeated(rows: readonly SplitRow[], counters: Counters, drop: boolean) {
  const merged = new Map<string, LabelledExample & { readonly labels: string[] }>()
  const repeats: LabelledExample[] = []
  for (const row of rows) {
    const key = identityOf(row)
    const known = merged.get(key)
    if (known === undefined) {
      merged.set(key, { ...exampleOf(row), labels: [...row.labels] })
      continue
    }
    const added = row.labels.filter((label) => !known.labels.includes(label))
    if (added.length > 0) {
      counters.merged_rows.add(placeOf(row))
      known.labels.push(...added)
    } else {
      counters.duplicates.add(placeOf(row))
      if (!drop) repeats.push({ ...exampleOf(row), labels: known.labels })
    }
  }
  const examples = [...merged.values(), ...repeats]
  for (const { labels } of merged.values()) labels.sort(compareCodeUnits)
  return examples
}

function countClasses(
  name: string,
  column: string,
  examples: readonly LabelledExample[],
  maxClasses: number,
): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { labels } of examples) {
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
    if (counts.size > maxClasses) {
      const hint = `is "${column}" really the label?`
      throw dataError(name, null, `more than ${maxClasses} different labels; ${hint}`)
    }
  }
  return new Map([...counts].sort(([a], [b]) => compareCodeUnits(a, b)))
}

function checkClasses(
  name: string,
  column: string,
  examples: readonly LabelledExample[],
  counts: ReadonlyMap<string, number>,
  multiLabel: boolean,
  options: ExampleOptions,
): void {
  if (examples.length === 0) throw dataError(name, null, 'no row has both a text and a label')
  if (counts.size === 0) throw dataError(name, null, `no row has a label in "${column}"`)
  if (options.allowOneClass === true) return
  const [only, count] = [...counts][0]!
  if (counts.size === 1 && (!multiLabel || count === examples.length)) {
    throw dataError(name, null, `every row has the label "${only}"; two classes are needed`)
  }
  if (counts.size === examples.length && !multiLabel && counts.size > 2) {
    const hint = `is "${column}" really the label?`
    throw dataError(name, null, `every row has a label of its own; ${hint}`)
  }
  const isAmount = counts.size > examples.length / 2 && counts.size >= MIN_AMOUNTS
  if (isAmount && [...counts.keys()].every((label) => AMOUNT.test(label))) {
    const what = `"${column}" holds amounts or dates, ${counts.size} different ones in ${examples.length} rows`
    throw dataError(name, null, `${what}; name another label, or put them into ranges`)
  }
}

function noteClasses(counts: ReadonlyMap<string, number>, counters: Counters): void {
  const groups = new Map<string, string[]>()
  for (const [label, count] of counts) {
    if (count === 1) counters.single_example_classes.add(`"${label}"`)
    // Programs write a whole number as 1 or as 1.0.
    const key = NUMBER.test(label)
      ? String(Number(label))
      : label.toLowerCase().replace(/\s+/gu, '')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [label])
    else group.push(label)
  }
  for (const group of groups.values()) {
    if (group.length > 1) {
      counters.similar_labels.add(group.map((label) => `"${label}"`).join(' = '))
    }
  }
}

function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
