import { join } from 'node:path'
import { encodeHead } from '../head/encode.ts'
import type { Head } from '../head/head.ts'
import { EspalierError } from '../lib/errors.ts'
import { HEAD_FILE } from '../lib/manifests/head-header.ts'
import { writeHashedFile } from './source/model-file.ts'
import { type OwnClassifier, readOutputLayer } from './source/own-classifier.ts'
import type { SourceFolder } from './source/source-folder.ts'

/** Labels of several a text hold from this probability on, as in the pipeline of transformers. */
const THRESHOLD = 0.5

/**
 * Writes the output layer of a classifier beside the graphs of its encoder, as a head on vectors before they are
 * normalised. Its probabilities are those of the model; nothing is known of inputs unlike its training data.
 */
export async function writeOwnHead(
  source: SourceFolder,
  classifier: OwnClassifier,
  family: string,
  target: string,
): Promise<void> {
  if (source.network.kind !== 'weights') throw new EspalierError('internal', 'no weights')
  const { hidden } = source.network.config
  const { labels, activation } = classifier
  const { weight, bias } = await readOutputLayer(source.folder, hidden, classifier)
  const head: Head = {
    family,
    dimension: hidden,
    reads: 'pooled',
    labels,
    activation,
    weights: weight,
    bias,
    temperature: 1,
    memory: null,
    adjustment: null,
    thresholds: activation === 'sigmoid' ? new Float32Array(labels.length).fill(THRESHOLD) : null,
    detector: null,
  }
  await writeHashedFile(join(target, HEAD_FILE), [encodeHead(head)])
}
