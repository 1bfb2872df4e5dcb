import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import type { DatasetSummary } from '../../dataset/labelled.ts'
import { type DatasetWarning, describeWarnings, WarningCounter } from '../../dataset/summary.ts'
import { EspalierError } from '../../lib/errors.ts'
import { type KnownInput, nameOf } from '../rows/embed-texts.ts'
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
  const rows = new Float32Array(kept.length * dimension)
  for (const [to, from] of kept.entries()) {
    rows.set(embeddings.subarray(from * dimension, (from + 1) * dimension), to * dimension)
  }
  return { examples: kept.map((row) => examples[row]!), embeddings: rows }
}

/** Training data and their embeddings, without what could not be read. */
export interface ReadableData {
  readonly data: TrainingData
  /** Shape [training examples, dimension]. */
  readonly trainVectors: Float32Array
  /** Shape [test examples, dimension]. */
  readonly testVectors: Float32Array
}

/**
 * Splits the embeddings of training and test examples, in that order, and leaves out what could not be read.
 * @throws EspalierError `invalid_data` where a class has nothing left to learn from
 */
export function readableData(
  data: TrainingData,
  embeddings: Float32Array,
  unreadable: ReadonlyMap<number, string>,
): ReadableData {
  const { train, test } = data
  const rows = train.length + test.length
  const boundary = train.length * (rows === 0 ? 0 : embeddings.length / rows)
  const trainVectors = embeddings.subarray(0, boundary)
  const testVectors = embeddings.subarray(boundary)
  if (unreadable.size === 0) return { data, trainVectors, testVectors }
  const ofTest = new Map([...unreadable].map(([row, why]) => [row - train.length, why]))
  const learnt = leaveOut({ examples: train, embeddings: trainVectors }, unreadable)
  const judged = leaveOut({ examples: test, embeddings: testVectors }, ofTest)
  checkClasses(data, learnt.examples, unreadable)
  const all = [...train, ...test]
  const source = data.testSummary === null ? all : train
  const lost = source.filter((_, row) => unreadable.has(row))
  return {
    data: {
      ...data,
      train: learnt.examples,
      test: judged.examples,
      summary: withoutLost(data.summary, lost),
      warnings: addUnreadable(data.warnings, all, unreadable),
    },
    trainVectors: learnt.embeddings,
    testVectors: judged.embeddings,
  }
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
  { classes, summary }: TrainingData,
  kept: readonly LabelledExample[],
  unreadable: ReadonlyMap<number, string>,
): void {
  const left = new Set(kept.flatMap(({ labels }) => labels))
  const lost = classes.find((label) => !left.has(label))
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
