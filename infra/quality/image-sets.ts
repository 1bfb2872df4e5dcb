import { join } from 'node:path'
import { type LabelledDataset, readLabelled } from '../../shared/dataset/labelled.ts'
import { openFileSource } from '../../shared/dataset/source.ts'
import type { Features } from '../../shared/training/numerics/features.ts'
import type { TrainingSet } from '../../shared/training/types.ts'

/** Labelled images as vectors, and the images themselves. */
export interface EmbeddedImages extends TrainingSet {
  readonly targets: Int32Array
  readonly dataset: LabelledDataset
}

/** Turns images into L2-normalised vectors, shape [images, dimension]. */
export type EmbedImages = (dataset: LabelledDataset) => Promise<Float32Array>

/** Reads a folder with a folder for each label; every file counts, also one that is there twice. */
export async function readImages(root: string, folder: string): Promise<LabelledDataset> {
  const source = await openFileSource(join(root, folder))
  return readLabelled(source, { duplicates: 'keep' })
}

/** The images of a set as vectors. */
export async function embedImages(
  dataset: LabelledDataset,
  embed: EmbedImages,
): Promise<EmbeddedImages> {
  const { examples, classes: labels } = dataset
  const embeddings = await embed(dataset)
  const targets = Int32Array.from(examples, ({ labels: [label] }) => labels.indexOf(label!))
  const dimension = embeddings.length / examples.length
  return { embeddings, dimension, labels, targets, labelSets: null, dataset }
}

/** The same rows as `trainHead` and as adapting take them. */
export function featuresOf({ embeddings, targets, dimension }: EmbeddedImages): Features {
  return { data: embeddings, rows: targets.length, columns: dimension }
}
