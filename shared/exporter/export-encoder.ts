import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import {
  CALIBRATION_FILE,
  ENCODER_MANIFEST_FILE,
  type GraphSpec,
  type Precision,
  type TextEncoderManifest,
} from '../lib/manifests/encoder-manifest.ts'
import { option, say, type Wording } from '../lib/wording.ts'
import type { Graph } from '../onnx/graph.ts'
import { type Existing, writeArtifact } from './artifact/artifact-folder.ts'
import { computeFingerprint } from './artifact/fingerprint.ts'
import { measureGolden, readGolden } from './artifact/golden.ts'
import { exportForeign } from './export-foreign.ts'
import { calibrateEncoder } from './int8/calibrate.ts'
import { type Calibration, parseCalibration } from './int8/calibration-file.ts'
import { readCalibrationTexts } from './int8/calibration-texts.ts'
import { createInt8Dialect, INT8_SCHEME } from './int8/int8-dialect.ts'
import { quantizeEncoder } from './int8/quantize-encoder.ts'
import { writeOwnHead } from './own-head.ts'
import { checkRegexes } from './regexes/check-regexes.ts'
import type { SourceAnswers } from './source/answers.ts'
import { readJsonFile } from './source/json-file.ts'
import { keepTokens, type PrunedSource } from './source/keep-tokens.ts'
import { type FileEntry, sha256, writeHashedFile, writeModel } from './source/model-file.ts'
import type { Pooling } from './source/source-config.ts'
import { poolingOf, readSourceFolder, type SourceFolder } from './source/source-folder.ts'
import { type EncoderWeights, loadWeights } from './source/weights.ts'
import { buildEncoderGraph, GRAPH_NAMES } from './text/encoder-graph.ts'
import { createFloatDialect } from './text/float-dialect.ts'
import { createNumerics } from './text/numerics.ts'
import { familyOf, finishManifest } from './text-manifest.ts'

/** About 0.12 bytes a weight: 40 MB for the 24 layers of BERT-large. */
const MAX_CALIBRATION_BYTES = 64 * 1024 * 1024

/** What to export, and how. */
export interface ExportEncoderOptions extends SourceAnswers {
  /** A Hugging Face folder; nothing in it is changed. */
  readonly folder: string
  /** The artifact folder to make; it appears whole or not at all. */
  readonly output: string
  readonly name?: string | undefined
  /** A file of tokens, one a line: the rest of the vocabulary is left out. */
  readonly keepTokens?: string | undefined
  readonly precisions: readonly Precision[]
  /** The caller's own texts for int8, one a line; they win over ranges that the folder brings. */
  readonly calibration?: string | undefined
  /** Texts for folders that bring no `calibration.json`. */
  readonly defaultCalibration?: string | undefined
  /** Threads of the calibration run. @default 1 */
  readonly threads?: number | undefined
  /** Take the regular expressions of the tokenizer as they are. @default false, which refuses those that can hang */
  readonly allowRegex?: boolean | undefined
  /** @default 'refuse' */
  readonly existing?: Existing | undefined
  readonly onProgress?: Progress | undefined
  /** Told what was taken from elsewhere than the folder, and what may be missing in it. */
  readonly onNote?: ((note: Wording) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Turns a Hugging Face folder of a BERT-family encoder, or a foreign ONNX encoder, into an encoder artifact; the head of
 * a classifier that is taken along lies in it as `head.bin`.
 * @throws EspalierError `unsupported_model` or `invalid_model_file` in one line that names the file; `invalid_request` or
 *   `invalid_config` for what the folder leaves open
 */
export async function exportEncoder(options: ExportEncoderOptions): Promise<TextEncoderManifest> {
  const { folder, output, onProgress, signal } = options
  if (options.precisions.length === 0) {
    throw new EspalierError('invalid_request', 'no precision to export')
  }
  const pruned = await keepTokens(await readSourceFolder(folder, options), options.keepTokens)
  const { source } = pruned
  for (const note of source.notes) options.onNote?.(note)
  if (options.allowRegex !== true) await checkRegexes(source, true, signal)
  let manifest: TextEncoderManifest | undefined
  await writeArtifact(output, options.existing ?? 'refuse', async (target) => {
    const draft =
      source.network.kind === 'onnx'
        ? await exportForeign(source, source.network, options, target)
        : await exportWeights(pruned, options, target)
    if (source.classifier) await writeOwnHead(source, source.classifier, draft.family, target)
    signal?.throwIfAborted()
    onProgress?.('checking', 0, 1)
    // Those of the folder are of the whole vocabulary.
    const golden = pruned.rows === null ? await readGolden(folder) : null
    const proven = golden ? { ...draft, golden } : await measureGolden(target, draft)
    await writeHashedFile(join(target, ENCODER_MANIFEST_FILE), [
      new TextEncoder().encode(`${JSON.stringify(proven, null, 1)}\n`),
    ])
    signal?.throwIfAborted()
    onProgress?.('checking', 1, 1)
    manifest = proven
  })
  return manifest as TextEncoderManifest
}

async function exportWeights(
  { source, rows, vocabulary }: PrunedSource,
  options: ExportEncoderOptions,
  target: string,
): Promise<TextEncoderManifest> {
  if (source.network.kind !== 'weights') throw new EspalierError('internal', 'no weights')
  const { config } = source.network
  const { onProgress, signal, precisions } = options
  onProgress?.('reading weights', 0, 1)
  const weights = await loadWeights(source.folder, config, source.sentence.dense, rows)
  onProgress?.('reading weights', 1, 1)
  const { architecture, heads, activation, layerNormEpsilon } = config
  const pooling = poolingOf(source)
  const family = familyOf(source, pooling, weights.digest, {
    architecture,
    heads,
    activation,
    layerNormEpsilon,
    ...(config.attention && { attention: JSON.stringify(config.attention) }),
  })
  const calibration = precisions.includes('int8') ? await calibrate(source, weights, options) : null
  const files: Record<string, FileEntry> = {}
  const graphs: Partial<Record<Precision, GraphSpec>> = {}
  for (const [index, precision] of precisions.entries()) {
    signal?.throwIfAborted()
    onProgress?.('writing graphs', index, precisions.length)
    const graph = buildGraph(precision, weights, pooling, calibration)
    const written = await writeModel(graph, target, precision)
    Object.assign(files, written)
    const quantization =
      precision === 'int8' && calibration
        ? { scheme: INT8_SCHEME, calibration: sha256(JSON.stringify(calibration.sites)) }
        : null
    graphs[precision] = {
      fingerprint: computeFingerprint(family, precision, quantization),
      file: `${precision}.onnx`,
      data: Object.keys(written).find((name) => name.endsWith('.data')) ?? null,
      inputs: [
        { name: GRAPH_NAMES.ids, role: 'ids', type: 'int32' },
        { name: GRAPH_NAMES.mask, role: 'mask', type: 'float32' },
      ],
      embedding: GRAPH_NAMES.embedding,
      pooled: GRAPH_NAMES.pooled,
      hidden: null,
      pooling: null,
    }
  }
  onProgress?.('writing graphs', precisions.length, precisions.length)
  if (calibration) {
    const text = new TextEncoder().encode(`${JSON.stringify(calibration)}\n`)
    files[CALIBRATION_FILE] = await writeHashedFile(join(target, CALIBRATION_FILE), [text])
  }
  return finishManifest(source, target, {
    architecture,
    vocabulary,
    pooling,
    dimension: weights.dense?.outputs ?? config.hidden,
    family,
    graphs,
    quantization: calibration ? { scheme: INT8_SCHEME, calibration: CALIBRATION_FILE } : null,
    files,
  })
}

function buildGraph(
  precision: Precision,
  weights: EncoderWeights,
  pooling: Pooling,
  calibration: Calibration | null,
): Graph {
  if (precision === 'int8' && calibration) {
    const quantized = quantizeEncoder(weights, calibration)
    const dialect = createInt8Dialect(quantized.weights, quantized.layers)
    return buildEncoderGraph(quantized.weights, pooling, dialect)
  }
  const type = precision === 'float16' ? 'float16' : 'float32'
  const numerics = createNumerics(type, weights.config.layerNormEpsilon)
  return buildEncoderGraph(weights, pooling, createFloatDialect(weights, numerics))
}

/** The calibration that ships with the folder, unless the caller brings texts of their own. */
async function calibrate(
  source: SourceFolder,
  weights: EncoderWeights,
  options: ExportEncoderOptions,
): Promise<Calibration> {
  if (options.calibration === undefined) {
    const shipped = await readJsonFile(
      join(source.folder, CALIBRATION_FILE),
      z.unknown(),
      MAX_CALIBRATION_BYTES,
    )
    if (shipped !== null) return parseCalibration(shipped, weights)
  }
  const file = options.calibration ?? options.defaultCalibration
  if (file === undefined) {
    const message = say`int8 needs calibration texts: ${option('calibration', 'FILE')}`
    throw new EspalierError('invalid_request', message)
  }
  const { tokenizer, maxTokens } = source
  const texts = await readCalibrationTexts(file, tokenizer, maxTokens)
  const { threads = 1, onProgress, signal } = options
  return calibrateEncoder(weights, texts, { threads, onProgress, signal })
}
