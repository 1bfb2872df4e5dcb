import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { say, type Wording } from '../../lib/wording.ts'
import { createTokenizer, loadTokenizer, type Tokenizer } from '../../runtime/text/tokenizer.ts'
import { buildTokenizer, PIECE_MODELS, WORD_LIST } from '../vocabulary/build-tokenizer.ts'
import {
  addedTokensSchema,
  settingsSchema,
  specialTokensSchema,
} from '../vocabulary/tokenizer-settings.ts'
import { readJsonFile } from './json-file.ts'

export const TOKENIZER_FILE = 'tokenizer.json'
/** The model of XLM-R, with 250,000 pieces, has 5 MB. */
const MAX_VOCABULARY_BYTES = 32 * 1024 * 1024

const modelSchema = z.looseObject({ model_type: z.string().max(64).nullish() })

/** The tokenizer of a folder, as an artifact carries it. */
export interface SourceTokenizer {
  readonly tokenizer: Tokenizer
  /** The text of tokenizer.json. */
  readonly bytes: Uint8Array
  /** Where it comes from, if not from tokenizer.json. */
  readonly note: Wording | null
}

/**
 * Reads the tokenizer of a folder: `tokenizer.json`, else what transformers would make of its vocabulary.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`
 */
export async function readTokenizer(folder: string): Promise<SourceTokenizer> {
  const path = join(folder, TOKENIZER_FILE)
  const vocabulary = existsSync(path) ? null : findVocabulary(folder)
  if (vocabulary === null) {
    return { tokenizer: await loadTokenizer(path), bytes: await readFile(path), note: null }
  }
  const text = await makeTokenizer(folder, vocabulary)
  const note = say`its tokenizer is made from ${vocabulary}, as it has no ${TOKENIZER_FILE}`
  const source = `the tokenizer of ${join(folder, vocabulary)}`
  return { tokenizer: createTokenizer(text, source), bytes: new TextEncoder().encode(text), note }
}

/** The file that a tokenizer can be made from; null where none is needed. @throws EspalierError `invalid_model_file` */
export function findVocabulary(folder: string): string | null {
  const isThere = (name: string) => existsSync(join(folder, name))
  if (isThere(TOKENIZER_FILE)) return null
  const found = [WORD_LIST, ...PIECE_MODELS].find(isThere)
  if (found !== undefined) return found
  const advice = 'write one with save_pretrained of transformers'
  const other = ['vocab.json', 'merges.txt', 'spm.model'].filter(isThere)
  const what =
    other.length > 0
      ? `has no ${TOKENIZER_FILE}, and none is made from ${other.join(' and ')}; ${advice}`
      : `has no tokenizer: neither ${TOKENIZER_FILE}, ${WORD_LIST} nor ${PIECE_MODELS.join(', ')}`
  throw new EspalierError('invalid_model_file', `${folder}: ${what}`)
}

async function makeTokenizer(folder: string, file: string): Promise<string> {
  const read = <T>(name: string, schema: z.ZodType<T>) => readJsonFile(join(folder, name), schema)
  const path = join(folder, file)
  const info = await stat(path)
  if (!info.isFile() || info.size > MAX_VOCABULARY_BYTES) {
    const message = `${path}: not a file of at most ${MAX_VOCABULARY_BYTES} bytes`
    throw new EspalierError('invalid_model_file', message)
  }
  const model = await read('config.json', modelSchema)
  const settings = (await read('tokenizer_config.json', settingsSchema)) ?? {}
  const special = (await read('special_tokens_map.json', specialTokensSchema)) ?? {}
  return buildTokenizer({
    file,
    bytes: await readFile(path),
    settings: { ...special, ...settings },
    added: await read('added_tokens.json', addedTokensSchema),
    modelType: model?.model_type ?? null,
  })
}
