import type { LabelledExample } from '../../dataset/examples.ts'
import type { EncoderInfo } from '../../encoder/types.ts'
import type { TrainingSet } from '../../training/types.ts'
import { type EmbedJobDeps, type EmbedJobOptions, embedForJob } from '../rows/embed-for-job.ts'
import { togetherOf } from '../rows/split-examples.ts'
import { takeRows } from '../rows/take-rows.ts'
import type { TrainingData } from './data.ts'
import { inputOf, leaveOutOfData } from './leave-out-unreadable.ts'

/** What one encoder at one precision makes of the rows. */
export interface RowVectors {
  readonly encoder: EncoderInfo
  /** Shape [training rows, dimension]. */
  readonly train: Float32Array
  /** Shape [test rows, dimension]. */
  readonly test: Float32Array
}

/** Data with their vectors, without the images that cannot be read. */
export interface EmbeddedData<Data extends TrainingData = TrainingData> {
  readonly data: Data
  readonly vectors: RowVectors
  /** Different inputs that were found in the cache, those that ran, and those of them that were cut. */
  readonly embeddings: {
    readonly cached: number
    readonly computed: number
    readonly truncated: number
  }
  /** Shape [training rows, then test rows] as they were read: 1 where a text was cut. */
  readonly cut: Uint8Array
  /** Shape [test rows]: the training row that a row of a test file says the same as, or -1. */
  readonly copies?: Int32Array | undefined
}

/**
 * Embeds training and test rows and leaves out the images that cannot be read.
 * @throws EspalierError `invalid_data` where a class has nothing left to learn from
 */
export async function embedData<Data extends TrainingData>(
  deps: EmbedJobDeps,
  data: Data,
  options: EmbedJobOptions,
): Promise<EmbeddedData<Data>> {
  const inputs = [...data.train, ...data.test].map(inputOf)
  const found = await embedForJob(deps, inputs, options)
  const { encoder, unreadable, embeddings, warnings, cut, ...counts } = found
  const end = data.train.length * encoder.dimension
  const all = { train: embeddings.subarray(0, end), test: embeddings.subarray(end) }
  const { train, test, ...readable } = leaveOutOfData(data, all, unreadable)
  const told = { ...readable.data, warnings: [...readable.data.warnings, ...warnings] }
  return { data: told, vectors: { encoder, train, test }, embeddings: counts, cut }
}

/** Rows as training takes them. */
export function toTrainingSet(
  examples: readonly LabelledExample[],
  embeddings: Float32Array,
  dimension: number,
  { labels, multiLabel }: { readonly labels: readonly string[]; readonly multiLabel: boolean },
): TrainingSet {
  const indexOf = new Map(labels.map((label, index) => [label, index]))
  const common = { embeddings, dimension, labels, together: togetherOf(examples) }
  if (multiLabel) {
    const labelSets = examples.map((example) => example.labels.map((label) => indexOf.get(label)!))
    return { ...common, targets: null, labelSets }
  }
  const targets = Int32Array.from(examples, (example) => indexOf.get(example.labels[0]!)!)
  return { ...common, targets, labelSets: null }
}

/** Some of the training rows, all where none are named, as training takes them. */
export function takeTrainingRows(
  { train: examples, classes: labels, multiLabel }: TrainingData,
  { train: embeddings, encoder }: Pick<RowVectors, 'train' | 'encoder'>,
  rows?: readonly number[],
): TrainingSet {
  const { dimension } = encoder
  const kind = { labels, multiLabel }
  if (rows === undefined) return toTrainingSet(examples, embeddings, dimension, kind)
  const taken = rows.map((row) => examples[row]!)
  return toTrainingSet(taken, takeRows(embeddings, rows, dimension), dimension, kind)
}
