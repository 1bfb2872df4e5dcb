import { basename, join, relative } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import type { Precision, TextEncoderManifest } from '../lib/manifests/encoder-manifest.ts'
import { computeFingerprint } from './artifact/fingerprint.ts'
import { addFloat16, type PrecisionOptions } from './foreign-precisions.ts'
import { assertSettled, howToSay, type Question, type SourceAnswers } from './source/answers.ts'
import type { GraphNetwork } from './source/find-network.ts'
import { sha256 } from './source/model-file.ts'
import { askHeadless, type OutputLayer } from './source/output-layer.ts'
import type { SourceFolder } from './source/source-folder.ts'
import { askPooling } from './source/survey.ts'
import { loadDense } from './source/weights.ts'
import { type ForeignGraph, isDynamic, readForeignGraph } from './text/foreign-graph.ts'
import { addForeignPooling, type CopiedModel, copyForeign } from './text/import-foreign.ts'
import { familyOf, finishManifest } from './text-manifest.ts'

/** Marks in the fingerprint what runs one text at a time. */
const DYNAMIC_SCHEME = 'dynamic, a text at a time'

type ForeignOptions = SourceAnswers &
  PrecisionOptions & { readonly onProgress?: Progress | undefined }

/**
 * Copies somebody's graph into an artifact and puts pooling behind it.
 * @throws EspalierError `unsupported_model`, `invalid_model_file`; `invalid_request` or `invalid_config` for what graph
 *   and folder leave open
 */
export async function exportForeign(
  source: SourceFolder,
  network: GraphNetwork,
  options: ForeignOptions,
  target: string,
): Promise<TextEncoderManifest> {
  const { folder, sentence } = source
  options.onProgress?.('copying graph', 0, 1)
  const { tried, questions } = await tryForeign(source, network, options, target)
  assertSettled(folder, options.door, questions)
  if (tried === null) throw new EspalierError('internal', 'a graph that was not tried')
  const { graph, copied } = tried
  const isOwnVector = graph.gives === 'vectors' && !graph.isFirstChoice
  const dense = sentence.dense && !isOwnVector ? await loadDense(sentence.dense) : null
  const pooling = graph.gives === 'states' ? sentence.pooling : null
  const foreign = await addForeignPooling(copied, target, graph, pooling, dense)
  options.onProgress?.('copying graph', 1, 1)
  const hashes = Object.entries(foreign.files).map(([name, entry]) => `${name}:${entry.sha256}`)
  // Graphs of earlier releases keep their family, where a pooling that does not matter is named.
  const named = isOwnVector ? 'none' : (sentence.pooling ?? 'mean')
  const family = familyOf(source, named, sha256(hashes.sort().join('\n')), {
    architecture: 'onnx',
    ...(!graph.isFirstChoice && { output: graph.output }),
  })
  const precision = precisionOf(network, graph)
  const quantization = graph.isDynamic ? { scheme: DYNAMIC_SCHEME, calibration: '' } : null
  const isNew = graph.isDynamic || graph.shape !== null || graph.type === 'float16'
  const draft = await finishManifest(source, target, {
    architecture: 'onnx',
    schema: isNew ? 2 : 1,
    dimension: foreign.dimension,
    pooling: pooling ?? 'none',
    family,
    graphs: {
      [precision]: {
        ...foreign.spec,
        fingerprint: computeFingerprint(family, precision, quantization),
      },
    },
    quantization: null,
    files: foreign.files,
  })
  return addFloat16(target, draft, options)
}

/** A graph that was copied and run once. */
export interface TriedGraph {
  readonly copied: CopiedModel
  readonly graph: ForeignGraph
}

/**
 * Copies somebody's graph into a folder and runs it once.
 * @returns null for a graph that is not to be run as it is, and what is to be asked
 * @throws EspalierError `unsupported_model`, `invalid_model_file`
 */
export async function tryForeign(
  source: SourceFolder,
  network: GraphNetwork,
  options: SourceAnswers,
  target: string,
): Promise<{ readonly tried: TriedGraph | null; readonly questions: readonly Question[] }> {
  const { folder, outputLayer } = source
  const dynamic = askDynamic(folder, network, options)
  if (dynamic.length > 0) return { tried: null, questions: dynamic }
  const copied = await copyForeign(folder, network.path, target, network.scan)
  const hints = { pooling: options.pooling, answerWidths: answerWidths(outputLayer) }
  const { graph, answers } = await readForeignGraph(join(target, copied.file), network.scan, hints)
  return { tried: { copied, graph }, questions: askOutputs(source, { graph, answers }, options) }
}

/** Graphs that were exported before are named as they were then; what runs a text at a time is new. */
export function precisionOf({ isUsual }: GraphNetwork, graph: ForeignGraph): Precision {
  const isOld = isUsual && graph.type === 'float32' && !graph.isDynamic
  return isOld ? 'float32' : graph.precision
}

/** A graph whose scales hang on all that is in a run is taken if somebody names it: a text at a time. */
function askDynamic(
  folder: string,
  { path, scan }: GraphNetwork,
  { onnx, door = 'options' }: SourceAnswers,
): Question[] {
  if (!isDynamic(scan) || onnx !== undefined) return []
  const name = relative(folder, path)
  return [
    {
      about: 'onnx',
      wording: [
        `${name} is quantised dynamically: its scales hang on all texts of a run, so that a vector would depend on its neighbours; export the float32 graph, or `,
        ...howToSay(door, 'onnx', name),
        ' to take it as it is, int8 and one text a run',
      ],
    },
  ]
}

/** Numbers of what an output layer answers: labels, or words; one number alone is a score. */
function answerWidths(layer: OutputLayer | null): number[] {
  if (layer === null) return [1]
  return [1, ...(layer.kind === 'classifier' ? [layer.labels.length || 2] : layer.words)]
}

/** What is open when the graph has been run: its output layer, and how its hidden states are pooled. */
function askOutputs(
  { sentence, outputLayer, known, network }: SourceFolder,
  tried: { readonly graph: ForeignGraph; readonly answers: readonly string[] },
  { headless, door = 'options' }: SourceAnswers,
): Question[] {
  const { graph, answers } = tried
  const questions: Question[] = []
  const [answer] = answers
  const path = network.kind === 'onnx' ? basename(network.path) : ''
  // A pooled vector of a classifier may well be what its output layer reads; hidden states are not.
  const isPooledBelow = outputLayer?.kind === 'classifier' && graph.gives === 'vectors'
  if (headless !== true && (answer !== undefined || (isPooledBelow && graph.isFirstChoice))) {
    const evidence = answer === undefined ? (outputLayer?.evidence ?? '') : `${answer} of ${path}`
    const layer = outputLayer ?? { kind: 'classifier', labels: [], words: [] }
    questions.push(askHeadless({ ...layer, evidence }, door))
  }
  if (graph.gives === 'states' && sentence.pooling === null) {
    questions.push(askPooling(known, door))
  }
  return questions
}
