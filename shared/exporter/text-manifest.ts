import { join } from 'node:path'
import type { Precision, TextEncoderManifest } from '../lib/manifests/encoder-manifest.ts'
import { computeFamily, EXPORTER_VERSION } from './artifact/fingerprint.ts'
import { minCosines } from './artifact/golden.ts'
import { type FileEntry, writeHashedFile } from './source/model-file.ts'
import type { SourceFolder } from './source/source-folder.ts'

const TOKENIZER_FILE = 'tokenizer.json'

/** The parts of a manifest that kinds of network fill in differently. */
export interface NetworkPart {
  readonly architecture: TextEncoderManifest['architecture']
  readonly dimension: number
  readonly pooling: TextEncoderManifest['pooling']
  /** Where an earlier release would run the graphs otherwise than they are meant. @default 1 */
  readonly schema?: TextEncoderManifest['schema']
  /** Tokens that stay and that there were, where some were left out. */
  readonly vocabulary?: NonNullable<TextEncoderManifest['vocabulary']> | null
  readonly family: string
  readonly graphs: TextEncoderManifest['graphs']
  readonly quantization: TextEncoderManifest['quantization']
  readonly files: Readonly<Record<string, FileEntry>>
}

/** Writes the tokenizer and says what an artifact is made of; golden vectors are measured on it. */
export async function finishManifest(
  source: SourceFolder,
  target: string,
  part: NetworkPart,
): Promise<TextEncoderManifest> {
  const tokenizer = await writeHashedFile(join(target, TOKENIZER_FILE), [source.tokenizerBytes])
  const { sentence } = source
  return {
    schema: part.schema ?? 1,
    kind: 'embedding',
    modality: 'text',
    name: source.name,
    architecture: part.architecture,
    dimension: part.dimension,
    maxTokens: source.maxTokens,
    pooling: part.pooling,
    normalize: sentence.normalize,
    prompts: { ...sentence.prompts },
    defaultPrompt: sentence.defaultPrompt,
    padId: source.padId,
    ...(part.vocabulary && { vocabulary: part.vocabulary }),
    family: part.family,
    tokenizer: TOKENIZER_FILE,
    graphs: part.graphs,
    quantization: part.quantization,
    golden: [],
    minCosine: minCosines(Object.keys(part.graphs) as Precision[]),
    files: { ...part.files, [TOKENIZER_FILE]: tokenizer },
    createdWith: EXPORTER_VERSION,
  }
}

/** sha256 over what makes the vectors of a folder comparable. @param weights sha256 of weights or of a graph */
export function familyOf(
  { sentence, tokenizerSha256 }: SourceFolder,
  pooling: string,
  weights: string,
  architecture: Readonly<Record<string, string | number>>,
): string {
  const { normalize, prompts, defaultPrompt } = sentence
  const parts = { weights, tokenizer: tokenizerSha256, pooling, normalize, prompts, defaultPrompt }
  return computeFamily({ ...parts, architecture })
}
