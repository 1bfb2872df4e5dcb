import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import type { DatasetSummary } from '../../dataset/labelled.ts'
import { type DatasetWarning, describeWarnings, WarningCounter } from '../../dataset/summary.ts'
import { EspalierError } from '../../lib/errors.ts'
import { type KnownInput, nameOf } from '../rows/embed-texts.ts'
import { takeRows } from '../rows/take-rows.ts'
import type { TrainingData } from './data.ts'

/** Examples with their embeddings, shape [examples, dimension]. */
export interface EmbeddedExamples<T = LabelledExample> {
  readonly examples: readonly T[]
  readonly embeddings: Float32Array
}

/** The input of an example as jobs embed it. */
export function inputOf({ text, image }: Pick<LabelledExample, 'text' | 'image'>): KnownInput {
  return image ?? text
}

/** Leaves out the examples whose images could not be read; `unreadable` says why, by their places. */
export function leaveOut<T>(
  { examples, embeddings }: EmbeddedExamples<T>,
  unreadable: ReadonlyMap<number, string>,
): EmbeddedExamples<T> {
  if (unreadable.size === 0) return { examples, embeddings }
  const dimension = embeddings.length / examples.length
  const kept = [...examples.keys()].filter((row) => !unreadable.has(row))
  return {
    examples: kept.map((row) => examples[row]!),
    embeddings: takeRows(embeddings, kept, dimension),
  }
}

/**
 * Leaves out of data and their vectors what could not be read; `unreadable` counts training rows, then test rows.
 * @throws EspalierError `invalid_data` where a class has nothing left to learn from
 */
export function leaveOutOfData<Data extends TrainingData>(
  data: Data,
  vectors: { readonly train: Float32Array; readonly test: Float32Array },
  unreadable: ReadonlyMap<number, string>,
): { readonly data: Data; readonly train: Float32Array; readonly test: Float32Array } {
  if (unreadable.size === 0) return { data, ...vectors }
  const ofTest = new Map([...unreadable].map(([row, why]) => [row - data.train.length, why]))
  const train = leaveOut({ examples: data.train, embeddings: vectors.train }, unreadable)
  const test = leaveOut({ examples: data.test, embeddings: vectors.test }, ofTest)
  checkClasses(data, train.examples, unreadable)
  const all = [...data.train, ...data.test]
  const counted = data.testSummary === null ? all : data.train
  const lost = counted.filter((_, row) => unreadable.has(row))
  const readable = {
    ...data,
    train: train.examples,
    test: test.examples,
    summary: withoutLost(data.summary, lost),
    warnings: addUnreadable(data.warnings, all, unreadable),
  }
  return { data: readable, train: train.embeddings, test: test.embeddings }
}

/**
 * For jobs that know rows by their number and can leave none out.
 * @throws EspalierError `invalid_image` naming the first image
 */
export function checkAllReadable(
  inputs: readonly KnownInput[],
  unreadable: ReadonlyMap<number, string>,
): void {
  for (const [row, why] of unreadable) {
    const path = nameOf(inputs[row]!)
    const message = `${path}: ${why}; ${unreadable.size} in all cannot be read: take them out`
    throw new EspalierError('invalid_image', message, { param: path })
  }
}

/** Adds the images that could not be decoded to the warning of those that could not be opened. */
export function addUnreadable(
  warnings: readonly DatasetWarning[],
  examples: readonly Pick<LabelledExample, 'text'>[],
  unreadable: ReadonlyMap<number, string>,
): DatasetWarning[] {
  if (unreadable.size === 0) return [...warnings]
  const counter = new WarningCounter()
  const known = warnings.find(({ code }) => code === 'unreadable_images')
  for (const each of known?.examples ?? []) counter.add(each)
  for (const [row, why] of unreadable) counter.add(`${examples[row]!.text}: ${why}`)
  counter.count = (known?.count ?? 0) + unreadable.size
  return [
    ...warnings.filter((warning) => warning !== known),
    ...describeWarnings({ unreadable_images: counter }, 'image'),
  ]
}

function checkClasses(
  { classes, summary, train }: TrainingData,
  kept: readonly LabelledExample[],
  unreadable: ReadonlyMap<number, string>,
): void {
  const left = new Set(kept.flatMap(({ labels }) => labels))
  const learnt = new Set(train.flatMap(({ labels }) => labels))
  const lost = classes.find((label) => learnt.has(label) && !left.has(label))
  if (lost === undefined) return
  const [why] = unreadable.values()
  const fix = 'mend or replace them, or remove the class'
  const message = `no image of "${lost}" can be read to learn from (${why}); ${fix}`
  throw dataError(summary.source, null, message)
}

function withoutLost(summary: DatasetSummary, lost: readonly LabelledExample[]): DatasetSummary {
  const counts = new Map(summary.classCounts.map(({ label, count }) => [label, count]))
  for (const { labels } of lost) {
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) - 1)
  }
  return {
    ...summary,
    examples: summary.examples - lost.length,
    classCounts: [...counts].map(([label, count]) => ({ label, count })),
  }
}
