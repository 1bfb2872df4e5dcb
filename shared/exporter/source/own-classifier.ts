import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { SequenceHeadLayout } from '../architectures/architecture.ts'
import { ARCHITECTURES } from '../architectures/table.ts'
import type { SourceAnswers } from './answers.ts'
import { findNetwork, type SourceNetwork } from './find-network.ts'
import { readJsonFile } from './json-file.ts'
import { openWeights } from './open-weights.ts'
import { findOutputLayer, type OutputLayer, outputSchema } from './output-layer.ts'
import type { DenseConfig } from './sentence-config.ts'
import { TensorReader } from './tensor-reader.ts'
import type { Linear } from './weights.ts'

const MAX_LABELS = 10_000
const schema = z.looseObject({
  id2label: z.record(z.string().max(32), z.string().max(1000)).nullish(),
  num_labels: z.int().min(1).max(MAX_LABELS).nullish(),
  problem_type: z.string().max(100).nullish(),
})

/** The classifier that a folder came with, above its encoder. */
export interface OwnClassifier {
  /** The class of transformers. */
  readonly source: string
  readonly labels: readonly string[]
  readonly activation: 'softmax' | 'sigmoid'
  readonly layout: SequenceHeadLayout
}

/**
 * The classifier that an export of a folder takes along; null for encoders, and where the output layer is of another kind.
 * @throws EspalierError as the export itself, for what is no model or has labels that cannot be
 */
export async function findOwnClassifier(
  folder: string,
  answers: Pick<SourceAnswers, 'onnx' | 'door'> = {},
): Promise<OwnClassifier | null> {
  const network = await findNetwork(folder, answers)
  const config = await readJsonFile(join(folder, 'config.json'), outputSchema)
  const layer = findOutputLayer(config, network.kind === 'weights' ? network.tensors : [])
  if (layer === null || !hasOwnClassifier(network, layer)) return null
  return readOwnClassifier(folder, network, layer)
}

/** True for folders whose output layer this release takes along: one answer for each text. */
export function hasOwnClassifier(network: SourceNetwork, layer: OutputLayer | null): boolean {
  return (
    network.kind === 'weights' &&
    layer?.evidence.endsWith('ForSequenceClassification') === true &&
    ARCHITECTURES[network.config.architecture].sequenceHead !== undefined
  )
}

/**
 * What the configuration of a `…ForSequenceClassification` says of its labels, as the pipeline of transformers reads it:
 * several labels a text by `problem_type`, else one of several.
 * @throws EspalierError `unsupported_model` for a score instead of labels, `invalid_model_file` for labels that cannot be
 */
export async function readOwnClassifier(
  folder: string,
  network: SourceNetwork,
  { evidence }: OutputLayer,
): Promise<OwnClassifier> {
  const layout =
    network.kind === 'weights' && ARCHITECTURES[network.config.architecture].sequenceHead
  if (!layout) throw new EspalierError('internal', 'no layout of an output layer')
  const config = await readJsonFile(join(folder, 'config.json'), schema)
  const { problem_type: problem } = config ?? {}
  const labels = readLabels(config)
  if (problem === 'regression' || labels.length === 1) {
    throw new EspalierError(
      'unsupported_model',
      `config.json: ${evidence} gives a score (${problem === 'regression' ? 'problem_type regression' : 'one label'}); supported: classifiers of two labels or more`,
    )
  }
  const known = [null, undefined, 'single_label_classification', 'multi_label_classification']
  if (!known.includes(problem)) {
    throw new EspalierError(
      'unsupported_model',
      `config.json: problem_type ${problem}; supported: single_label_classification, multi_label_classification`,
    )
  }
  const activation = problem === 'multi_label_classification' ? 'sigmoid' : 'softmax'
  return { source: evidence, labels, activation, layout }
}

/** Labels in the order of their ids; those of transformers, `LABEL_0` and so on, where nobody named them. */
function readLabels(config: z.infer<typeof schema> | null): readonly string[] {
  const entries = Object.entries(config?.id2label ?? {})
  if (entries.length === 0) {
    return Array.from({ length: config?.num_labels ?? 2 }, (_, i) => `LABEL_${i}`)
  }
  const bad = (what: string) => new EspalierError('invalid_model_file', `config.json: ${what}`)
  if (entries.length > MAX_LABELS) {
    throw bad(`id2label has ${entries.length} labels; at most ${MAX_LABELS}`)
  }
  const labels: string[] = []
  const seen = new Set<string>()
  for (const [id, label] of entries) {
    if (!/^\d+$/.test(id)) throw bad(`id2label has the id ${id}, which is no number`)
    if (Number(id) >= entries.length) {
      throw bad(
        `id2label has ${entries.length} labels and the id ${id}: ids go from 0 up, without gaps`,
      )
    }
    if (seen.has(label)) throw bad(`id2label names ${label} twice`)
    if (labels[Number(id)] !== undefined) throw bad(`id2label has the id ${Number(id)} twice`)
    seen.add(label)
    labels[Number(id)] = label
  }
  return labels
}

/** The layer below the output layer, as a dense layer of the encoder. */
export function denseOf(
  folder: string,
  hidden: number,
  { dense }: SequenceHeadLayout,
): DenseConfig {
  const { tensor, activation } = dense
  return { folder, tensor, inputs: hidden, outputs: hidden, bias: true, activation }
}

/** The weights of the output layer. @throws EspalierError `invalid_model_file` for tensors that do not fit the labels */
export async function readOutputLayer(
  folder: string,
  hidden: number,
  { labels, layout }: OwnClassifier,
): Promise<Linear> {
  const file = await openWeights(folder)
  try {
    const reader = new TensorReader(file, '', createHash('sha256'))
    return await reader.linear(layout.output, hidden, labels.length)
  } finally {
    await file.close()
  }
}
