import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Precision } from '../lib/manifests/encoder-manifest.ts'
import type { Wording } from '../lib/wording.ts'
import { precisionOf, tryForeign } from './export-foreign.ts'
import {
  describeNetwork,
  describeOnnxFiles,
  describeTokenizer,
  type NetworkFacts,
  type OnnxFacts,
  type TokenizerFacts,
} from './folder-facts.ts'
import { checkRegexes } from './regexes/check-regexes.ts'
import type { Question, SourceAnswers } from './source/answers.ts'
import { findNetwork } from './source/find-network.ts'
import { readOutputLayer } from './source/own-classifier.ts'
import { checkOwnFiles } from './source/own-files.ts'
import { readSourceFolder, type SourceFolder } from './source/source-folder.ts'
import { readTokenizer } from './source/source-tokenizer.ts'
import { type Survey, surveyFolder } from './source/survey.ts'
import { loadWeights } from './source/weights.ts'
import { halveForeign } from './text/foreign-float16.ts'

/** What to look at, with the answers that an export would be given. */
export interface InspectOptions extends Omit<SourceAnswers, 'classifier'> {
  readonly name?: string | undefined
  readonly allowRegex?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The encoder that an export would make. */
export interface WouldBe {
  readonly name: string
  readonly dimension: number
  readonly maxTokens: number
  readonly pooling: string
  /** Graphs that it can have. */
  readonly precisions: readonly Precision[]
}

/** What the folder of a text encoder is, as far as it can be told. */
export interface FolderInspection {
  readonly network: NetworkFacts | null
  readonly tokenizer: TokenizerFacts | null
  readonly onnxFiles: readonly OnnxFacts[]
  readonly survey: Survey | null
  /** Null where something is open or refused: an export ends with it. */
  readonly encoder: WouldBe | null
  readonly notes: readonly Wording[]
  /** What is open, with the options that answer it. */
  readonly questions: readonly Question[]
  /** What an export would be refused for. */
  readonly faults: readonly EspalierError[]
}

/**
 * Says what the folder of a text encoder is, what an export would make of it, and what stands in the way: all of it, not
 * the first thing alone. Reads the weights, runs a foreign graph once, and writes nothing beside the folder.
 * @throws EspalierError `invalid_model_file` where there is no such folder
 */
export async function inspectFolder(
  folder: string,
  asked: InspectOptions,
): Promise<FolderInspection> {
  // As an export does where its encoder alone is not asked for.
  const options = { ...asked, classifier: asked.headless !== true }
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new EspalierError('invalid_model_file', `${folder}: no such folder`)
  }
  const faults: EspalierError[] = []
  const attempt = async <T>(step: () => Promise<T>): Promise<T | null> => {
    options.signal?.throwIfAborted()
    try {
      return await step()
    } catch (error) {
      if (!isEspalierError(error)) throw error
      faults.push(error)
      return null
    }
  }
  await attempt(() => checkOwnFiles(folder))
  const inside = (path: string) => relative(folder, path).split(sep).join('/')
  const found = await attempt(() => findNetwork(folder, options))
  const network = found && (await attempt(() => describeNetwork(folder, found, inside)))
  const survey = found && (await attempt(() => surveyFolder(folder, found, options)))
  const read = await attempt(() => readTokenizer(folder))
  if (read && options.allowRegex !== true) {
    const regexes = { folder, tokenizerBytes: read.bytes }
    await attempt(() => checkRegexes(regexes, true, options.signal))
  }
  const open = [...(survey?.questions ?? [])]
  const isSound = faults.length === 0 && open.length === 0
  const made = isSound ? await attempt(() => tryExport(folder, options)) : null
  const note = read?.note
  return {
    network,
    survey,
    tokenizer: read && describeTokenizer(folder, read),
    onnxFiles: await describeOnnxFiles(folder),
    encoder: made?.encoder ?? null,
    notes: [...(survey?.notes ?? []), ...(note ? [note] : [])],
    questions: [...open, ...(made?.questions ?? [])],
    faults,
  }
}

/** Goes the way of an export as far as before the first graph is written. */
async function tryExport(
  folder: string,
  options: InspectOptions & SourceAnswers,
): Promise<{ readonly encoder: WouldBe | null; readonly questions: readonly Question[] }> {
  const source = await readSourceFolder(folder, options)
  const { name, maxTokens, network, sentence } = source
  if (network.kind === 'onnx') return tryGraph(source, options)
  const weights = await loadWeights(folder, network.config, sentence.dense)
  const dimension = weights.dense?.outputs ?? network.config.hidden
  if (source.classifier !== null) {
    await readOutputLayer(folder, network.config.hidden, source.classifier)
  }
  const precisions = ['float32', 'float16', 'int8'] as const
  const pooling = sentence.pooling ?? 'none'
  return { encoder: { name, dimension, maxTokens, pooling, precisions }, questions: [] }
}

/** Runs somebody's graph on a copy, as weights may lie where the runtime does not look. */
async function tryGraph(
  source: SourceFolder,
  options: InspectOptions & SourceAnswers,
): Promise<{ readonly encoder: WouldBe | null; readonly questions: readonly Question[] }> {
  const { name, maxTokens, network, sentence } = source
  if (network.kind !== 'onnx') throw new EspalierError('internal', 'no graph')
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-'))
  try {
    const { tried, questions } = await tryForeign(source, network, options, scratch)
    if (tried === null || questions.length > 0) return { encoder: null, questions }
    const { graph } = tried
    const isOwnVector = graph.gives === 'vectors' && !graph.isFirstChoice
    const dense = isOwnVector ? null : sentence.dense
    const pooling = graph.gives === 'states' ? (sentence.pooling ?? 'none') : 'none'
    const dimension = dense?.outputs ?? graph.width
    const precision = precisionOf(network, graph)
    const halved = precision === 'float32' && (await halveForeign(tried.copied.file, scratch))
    const precisions = [precision, ...(halved && !('why' in halved) ? ['float16' as const] : [])]
    return { encoder: { name, dimension, maxTokens, pooling, precisions }, questions: [] }
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 })
  }
}
