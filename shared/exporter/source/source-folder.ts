import { readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { MODEL_NAME_PATTERN } from '../../lib/text/model-address.ts'
import { option, say } from '../../lib/wording.ts'
import { loadTokenizer, type Tokenizer } from '../../runtime/text/tokenizer.ts'
import type { TransformerConfig } from '../architectures/architecture.ts'
import { readJsonFile } from './json-file.ts'
import { sha256 } from './model-file.ts'
import { findForeignModel } from './onnx-file.ts'
import { checkOwnFiles } from './own-files.ts'
import { readSentenceConfig, type SentenceConfig } from './sentence-config.ts'
import { type Pooling, readTransformerConfig } from './source-config.ts'

const TOKENIZER_FILE = 'tokenizer.json'
/** Tokenizers without a limit say so with numbers like 1e30. */
const MAX_TOKENS = 32_768
/** Only for foreign graphs in folders that name no length at all. */
const FALLBACK_TOKENS = 512

const tokenizerConfigSchema = z.looseObject({ model_max_length: z.number().nullish() })
const padSchema = z.looseObject({ pad_token_id: z.int().min(0).nullish() })

/** A Hugging Face folder, read as far as its configuration goes. */
export interface SourceFolder {
  readonly folder: string
  readonly name: string
  readonly sentence: SentenceConfig
  readonly tokenizer: Tokenizer
  readonly tokenizerBytes: Uint8Array
  readonly tokenizerSha256: string
  readonly maxTokens: number
  readonly padId: number
  /** What the graph is made from: weights of a known architecture, or somebody's ONNX file. */
  readonly network:
    | { readonly kind: 'weights'; readonly config: TransformerConfig }
    | { readonly kind: 'onnx'; readonly path: string }
}

/** What a caller may decide against the folder's own configuration. */
export interface SourceOverrides {
  readonly name?: string | undefined
  readonly pooling?: Pooling | undefined
  readonly maxTokens?: number | undefined
}

/**
 * Reads and validates the configuration of an encoder's folder.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`, `invalid_name`
 */
export async function readSourceFolder(
  folder: string,
  overrides: SourceOverrides,
): Promise<SourceFolder> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new EspalierError('invalid_model_file', `${folder}: no such folder`)
  }
  await checkOwnFiles(folder)
  const network = await findNetwork(folder)
  const sentence = await readSentenceConfig(folder, overrides.pooling)
  const tokenizerPath = join(folder, TOKENIZER_FILE)
  const tokenizer = await loadTokenizer(tokenizerPath)
  const tokenizerBytes = await readFile(tokenizerPath)
  const plain = await readJsonFile(join(folder, 'config.json'), padSchema)
  return {
    folder,
    name: chooseName(folder, overrides.name),
    sentence,
    tokenizer,
    tokenizerBytes,
    tokenizerSha256: sha256(tokenizerBytes),
    maxTokens: await chooseMaxTokens(folder, sentence, network, overrides.maxTokens),
    padId: network.kind === 'weights' ? network.config.padId : (plain?.pad_token_id ?? 0),
    network,
  }
}

async function findNetwork(folder: string): Promise<SourceFolder['network']> {
  const onnx = findForeignModel(folder)
  const weights = await stat(join(folder, 'model.safetensors')).catch(() => null)
  if (weights === null && onnx !== null) return { kind: 'onnx', path: onnx }
  if (weights === null) {
    throw new EspalierError(
      'invalid_model_file',
      `${folder}: has neither model.safetensors nor onnx/model.onnx`,
    )
  }
  try {
    return { kind: 'weights', config: await readTransformerConfig(folder) }
  } catch (error) {
    const unsupported = error instanceof EspalierError && error.code === 'unsupported_model'
    if (unsupported && onnx !== null) return { kind: 'onnx', path: onnx }
    throw error
  }
}

/** The name of an encoder: the wanted one, else the folder's. @throws EspalierError `invalid_name` */
export function chooseName(folder: string, wanted: string | undefined): string {
  const name = wanted ?? basename(resolve(folder)).toLowerCase()
  if (MODEL_NAME_PATTERN.test(name) && !name.includes('..')) return name
  throw new EspalierError(
    'invalid_name',
    say`${name} cannot be a model name (a-z, 0-9, ".", "_", "-"; at most 63); give one with ${option('name')}`,
  )
}

async function chooseMaxTokens(
  folder: string,
  sentence: SentenceConfig,
  network: SourceFolder['network'],
  wanted: number | undefined,
): Promise<number> {
  const tokenizer = await readJsonFile(join(folder, 'tokenizer_config.json'), tokenizerConfigSchema)
  const stated = tokenizer?.model_max_length
  const sane = stated && stated >= 2 && stated <= MAX_TOKENS ? Math.floor(stated) : null
  if (network.kind === 'onnx') return wanted ?? sentence.maxTokens ?? sane ?? FALLBACK_TOKENS
  const { positions, positionOffset } = network.config
  const limit = Math.min(positions - positionOffset, MAX_TOKENS)
  if (wanted !== undefined && wanted > limit) {
    throw new EspalierError(
      'invalid_request',
      `max tokens ${wanted}: this encoder has positions for ${limit}`,
    )
  }
  return wanted ?? Math.min(sentence.maxTokens ?? sane ?? limit, limit)
}
