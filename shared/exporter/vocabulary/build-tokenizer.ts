import { EspalierError, restate } from '../../lib/errors.ts'
import { readSentencePiece, type SentencePieceModel } from './sentencepiece-model.ts'
import type { TokenizerSettings } from './tokenizer-settings.ts'
import { buildUnigram, UNIGRAM_KINDS, type UnigramKind } from './unigram.ts'
import { buildWordPiece } from './wordpiece.ts'

/** Files that a tokenizer is made from, in the order in which they are looked for. */
export const WORD_LIST = 'vocab.txt'
export const PIECE_MODELS = ['sentencepiece.bpe.model', 'sentencepiece.model', 'spiece.model']

type Kind = 'bert' | 'mpnet' | UnigramKind

/** The classes of transformers whose tokenizers are built here, without `Fast` behind the name. */
const CLASSES: Readonly<Record<string, Kind>> = {
  BertTokenizer: 'bert',
  DistilBertTokenizer: 'bert',
  ElectraTokenizer: 'bert',
  MPNetTokenizer: 'mpnet',
  XLMRobertaTokenizer: 'xlm-roberta',
  CamembertTokenizer: 'camembert',
  T5Tokenizer: 't5',
}

/** What transformers takes where no class is named. */
const ARCHITECTURES: Readonly<Record<string, Kind>> = {
  bert: 'bert',
  distilbert: 'bert',
  electra: 'bert',
  mpnet: 'mpnet',
  'xlm-roberta': 'xlm-roberta',
  camembert: 'camembert',
  t5: 't5',
}

/** What a folder without tokenizer.json has instead. */
export interface VocabularyFiles {
  /** `vocab.txt` or a model of SentencePiece. */
  readonly file: string
  readonly bytes: Uint8Array
  readonly settings: TokenizerSettings
  /** `added_tokens.json`, where there is one. */
  readonly added: Readonly<Record<string, number>> | null
  /** `model_type` of config.json. */
  readonly modelType: string | null
}

/**
 * The text of the tokenizer.json that transformers makes of a vocabulary.
 * @throws EspalierError `unsupported_model` for classes and settings that are not known to the letter,
 *   `invalid_model_file` for damaged files
 */
export function buildTokenizer(files: VocabularyFiles): string {
  const { file, bytes, settings, added } = files
  const kind = kindOf(files)
  const isPieces = UNIGRAM_KINDS.some((each) => each === kind)
  if (isPieces !== (file !== WORD_LIST)) {
    const needed = isPieces ? PIECE_MODELS.join(' or ') : WORD_LIST
    const message = `${file}: a tokenizer of ${kind} is made from ${needed}`
    throw new EspalierError('invalid_model_file', message)
  }
  if (kind === 'bert' || kind === 'mpnet') {
    return buildWordPiece(decode(file, bytes), settings, kind, added)
  }
  return buildUnigram(readPieces(file, bytes), file, settings, kind, added)
}

function kindOf({ settings, modelType, file }: VocabularyFiles): Kind {
  const named = settings.tokenizer_class?.replace(/Fast$/, '')
  const table = named == null ? ARCHITECTURES : CLASSES
  const name = named ?? modelType ?? ''
  const kind = Object.hasOwn(table, name) ? table[name] : undefined
  if (kind !== undefined) return kind
  const what =
    named == null
      ? `nothing says of which class the tokenizer is (model_type ${modelType ?? 'unknown'})`
      : `tokenizer_class ${named}`
  throw new EspalierError(
    'unsupported_model',
    `${file} without tokenizer.json: ${what}; supported: ${Object.keys(CLASSES).join(', ')}; for others write a tokenizer.json with save_pretrained of transformers`,
  )
}

function readPieces(file: string, bytes: Uint8Array): SentencePieceModel {
  try {
    return readSentencePiece(bytes)
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    throw restate(error, { place: { source: file } })
  }
}

function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${file}: not UTF-8`, { cause })
  }
}
