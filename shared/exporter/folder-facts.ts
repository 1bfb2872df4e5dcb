import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Precision } from '../lib/manifests/encoder-manifest.ts'
import { countElements } from '../lib/maths/count-elements.ts'
import { type ModelScan, scanModel } from '../onnx/scan-model.ts'
import type { SourceNetwork } from './source/find-network.ts'
import { listOnnxFiles, MAX_MODEL_BYTES } from './source/onnx-file.ts'
import { describeWeights, openWeights } from './source/open-weights.ts'
import { findVocabulary, type SourceTokenizer, TOKENIZER_FILE } from './source/source-tokenizer.ts'
import { isDynamic, precisionOfScan } from './text/foreign-graph.ts'

/** What computes the vectors of a folder. */
export interface NetworkFacts {
  readonly kind: SourceNetwork['kind']
  /** Relative to the folder. */
  readonly file: string
  /** `onnx` for somebody's graph. */
  readonly architecture: string
  /** Sizes by name: layers, hidden size, heads … Empty for a graph. */
  readonly shape: Readonly<Record<string, number>>
  /** Numbers of all tensors that the file has. */
  readonly parameters: number
  /** Types of the weights as they lie in the file, such as `F32`. */
  readonly types: readonly string[]
}

/** An ONNX file of a folder. */
export interface OnnxFacts {
  readonly file: string
  readonly bytes: number
  readonly precision: Precision
  /** Scales hang on all that is in a run. */
  readonly isDynamic: boolean
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

export interface TokenizerFacts {
  /** Relative to the folder. */
  readonly file: string
  /** Of the model of its tokenizer.json: `WordPiece`, `BPE`, `Unigram`. */
  readonly kind: string
  readonly vocabulary: number
}

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]),
  }),
})

/** Says what a network is made of, without reading weights. @throws EspalierError `invalid_model_file` */
export async function describeNetwork(
  folder: string,
  network: SourceNetwork,
  relative: (path: string) => string,
): Promise<NetworkFacts> {
  if (network.kind === 'onnx') {
    const { path, scan } = network
    const types = [precisionOfScan(scan)]
    const { parameters } = scan
    const file = relative(path)
    return { kind: 'onnx', file, architecture: 'onnx', shape: {}, parameters, types }
  }
  const { architecture, layers, hidden, heads, vocabulary, positions } = network.config
  const weights = await openWeights(folder)
  try {
    const tensors = weights.names.map((name) => weights.describe(name))
    const parameters = tensors.reduce((sum, { shape }) => sum + countElements(shape), 0)
    const types = [...new Set(tensors.map(({ type }) => type))].sort()
    const shape = { layers, hidden, heads, vocabulary, positions }
    const file = describeWeights(folder)
    return { kind: 'weights', file, architecture, shape, parameters, types }
  } finally {
    await weights.close()
  }
}

/** Lists the ONNX files of a folder; those that are damaged are left out. */
export async function describeOnnxFiles(folder: string): Promise<OnnxFacts[]> {
  const facts: OnnxFacts[] = []
  for (const file of await listOnnxFiles(folder)) {
    const path = join(folder, file)
    const { size: bytes } = await stat(path)
    const scan = bytes > MAX_MODEL_BYTES ? null : await scanFile(path)
    if (scan === null) continue
    const [inputs, outputs] = [scan.inputs, scan.outputs].map((each) =>
      each.map(({ name }) => name),
    )
    const precision = precisionOfScan(scan)
    facts.push({
      ...{ file, bytes, precision, isDynamic: isDynamic(scan) },
      inputs: inputs ?? [],
      outputs: outputs ?? [],
    })
  }
  return facts
}

async function scanFile(path: string): Promise<ModelScan | null> {
  try {
    return scanModel(await readFile(path))
  } catch {
    return null
  }
}

/** Says what a tokenizer is. */
export function describeTokenizer(folder: string, { bytes }: SourceTokenizer): TokenizerFacts {
  const { model } = tokenizerSchema.parse(JSON.parse(Buffer.from(bytes).toString()))
  const vocabulary = Array.isArray(model.vocab) ? model.vocab : Object.keys(model.vocab)
  return {
    file: findVocabulary(folder) ?? TOKENIZER_FILE,
    // Files of the first years do not say it.
    kind: model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : 'WordPiece or BPE'),
    vocabulary: vocabulary.length,
  }
}
