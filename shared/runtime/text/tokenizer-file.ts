import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { EspalierError } from '../../lib/errors.ts'
import { correctSteps } from './reference-steps.ts'
import {
  fillUnigram,
  readUnigramPieces,
  type UnigramModel,
  type UnigramPieces,
} from './unigram-vocabulary.ts'

const MAX_TOKEN_ID = 10_000_000
const MAX_ADDED_TOKENS = 100_000
const MAX_ADDED_TOKEN_CHARS = 4096
const MAX_WORD_CHARS = 10_000

type Json = Readonly<Record<string, unknown>>
/** A step of the tokenizer: `type` is a string. */
type Step = Json | null

/** What is known of a tokenizer.json once it has been read. */
export interface TokenizerJson extends Json {
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[]
  readonly normalizer: Step
  readonly pre_tokenizer: Step
  readonly post_processor: Step
  readonly decoder: Step
  readonly model: Json
  /** Ids of a WordPiece vocabulary, which `model` then lacks but for its unknown piece. */
  readonly wordPieces: Map<string, number> | null
}

/** The part of the library that is used; its own declarations do not resolve under NodeNext. */
export interface Library {
  readonly normalizer: { normalize(text: string): string } | null
  readonly pre_tokenizer: object | null
  readonly model: { tokens_to_ids: Map<string, number> }
  encode(
    text: string,
    options?: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[] }
}

/**
 * Reads the text of a tokenizer.json and checks by hand what we and the library rely on: a schema library
 * would take several times as long over a vocabulary as parsing does, in every worker at every start.
 * @throws EspalierError `invalid_model_file` naming the source and the field
 */
export function parseTokenizerJson(json: string, source: string): TokenizerJson {
  let raw: unknown
  try {
    raw = JSON.parse(json)
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${source}: not valid JSON`, { cause })
  }
  const refuse = (where: string, wanted: string): never => {
    throw new EspalierError('invalid_model_file', `${source}: ${where}: must be ${wanted}`)
  }
  if (!isObject(raw)) return refuse('tokenizer', 'an object')
  const step = (name: string): Step => {
    const value = raw[name] ?? null
    if (value === null) return null
    return isObject(value) && typeof value.type === 'string'
      ? value
      : refuse(name, 'null or an object with a type')
  }
  const { model } = raw
  if (!isObject(model)) return refuse('model', 'an object')
  if (model.type !== undefined && typeof model.type !== 'string') {
    return refuse('model.type', 'a string')
  }
  const longest = model.max_input_chars_per_word
  if (longest !== undefined && !isWhole(longest, 1, MAX_WORD_CHARS)) {
    return refuse('model.max_input_chars_per_word', `a whole number from 1 to ${MAX_WORD_CHARS}`)
  }
  const { vocab } = model
  const wordPieces =
    model.type === 'WordPiece' && !Array.isArray(vocab) ? new Map<string, number>() : null
  if (Array.isArray(vocab)) {
    if (vocab.length > MAX_TOKEN_ID) refuse('model.vocab', `at most ${MAX_TOKEN_ID} pieces`)
  } else if (isObject(vocab)) {
    for (const piece in vocab) {
      const id = vocab[piece]
      if (!isTokenId(id)) {
        const where = `model.vocab.${piece.slice(0, 80)}`
        return refuse(where, `a whole number from 0 to ${MAX_TOKEN_ID}`)
      }
      wordPieces?.set(piece, id)
    }
  } else refuse('model.vocab', 'an object or a list')

  return {
    ...raw,
    added_tokens: readAddedTokens(raw.added_tokens ?? [], refuse),
    normalizer: step('normalizer'),
    pre_tokenizer: step('pre_tokenizer'),
    post_processor: step('post_processor'),
    decoder: step('decoder'),
    model: wordPieces ? { ...model, vocab: pick(vocab as Json, model.unk_token) } : model,
    wordPieces,
  }
}

function readAddedTokens(
  value: unknown,
  refuse: (where: string, wanted: string) => never,
): TokenizerJson['added_tokens'] {
  if (!Array.isArray(value) || value.length > MAX_ADDED_TOKENS) {
    return refuse('added_tokens', `a list of at most ${MAX_ADDED_TOKENS}`)
  }
  return value.map((token: unknown, index) => {
    if (!isObject(token)) return refuse(`added_tokens.${index}`, 'an object')
    const { id, content } = token
    if (!isTokenId(id)) {
      return refuse(`added_tokens.${index}.id`, `a whole number from 0 to ${MAX_TOKEN_ID}`)
    }
    if (typeof content !== 'string' || content === '' || content.length > MAX_ADDED_TOKEN_CHARS) {
      return refuse(`added_tokens.${index}.content`, `1 to ${MAX_ADDED_TOKEN_CHARS} characters`)
    }
    return { ...token, id, content }
  })
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}

function isTokenId(value: unknown): value is number {
  return isWhole(value, 0, MAX_TOKEN_ID)
}

/**
 * The library's tokenizer without the truncation and padding of the file.
 * @throws EspalierError `invalid_model_file`
 */
export function createLibrary(config: TokenizerJson, source: string): Library {
  try {
    const { wordPieces, ...file } = config
    const unigram = readUnigramPieces(file.model)
    const model = unigram ? withoutPieces(file.model, unigram) : file.model
    const settings = { ...file, model, truncation: null, padding: null }
    const library: Library = new LibraryTokenizer(settings, {})
    if (wordPieces) fillVocabulary(library, wordPieces)
    if (unigram) fillLibrary(library, unigram)
    correctSteps(library, config, source)
    return library
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_model_file', `${source}: unusable tokenizer: ${reason}`, {
      cause,
    })
  }
}

/**
 * Gives the library the whole WordPiece vocabulary: its own way makes three copies and takes three times as
 * long. What it has by now, the unknown piece and the added tokens, stays.
 */
function fillVocabulary(library: Library, wordPieces: Map<string, number>): void {
  for (const [piece, id] of library.model.tokens_to_ids) wordPieces.set(piece, id)
  library.model.tokens_to_ids = wordPieces
}

/** A model of the unknown piece alone, for the library to start from. */
function withoutPieces(model: Json, { pieces, unknown }: UnigramPieces): Json {
  return { ...model, vocab: [pieces[unknown]], unk_id: 0 }
}

/** The unknown piece had another id so far. */
function fillLibrary(library: Library, unigram: UnigramPieces): void {
  const [unknown] = unigram.pieces[unigram.unknown] as readonly [string, number]
  const ids = library.model.tokens_to_ids
  if (ids.get(unknown) === 0) ids.delete(unknown)
  fillUnigram(library.model as UnigramModel, unigram)
}

function pick(object: Json, key: unknown): Json {
  return typeof key === 'string' && Object.hasOwn(object, key) ? { [key]: object[key] } : {}
}

/**
 * What the library makes of a regular expression of a tokenizer.json, which is one of Oniguruma there.
 * @throws SyntaxError for one that JavaScript has nothing for
 */
export function compileRegex(regex: string): RegExp {
  const others = { added_tokens: [], pre_tokenizer: null, post_processor: null, decoder: null }
  const normalizer = { type: 'Replace', pattern: { Regex: regex }, content: '' }
  const model = { type: 'WordPiece', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' }
  const library: { readonly normalizer: { readonly pattern: RegExp } } = new LibraryTokenizer(
    { ...others, normalizer, model },
    {},
  )
  return library.normalizer.pattern
}
