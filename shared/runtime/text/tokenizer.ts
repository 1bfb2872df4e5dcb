import { open } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import {
  createLibrary,
  type Library,
  parseTokenizerJson,
  type TokenizerJson,
} from './tokenizer-file.ts'
import { type EncodeText, rememberWords } from './word-cache.ts'

/** Largest published tokenizer.json files are about 20 MB (250,000 pieces). */
const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
/** First cut of a long text: characters tried per token wanted. */
const CUT_CHARS_PER_TOKEN = 8
const CUT_GROWTH = 4
const CHINESE = /[\u4e00-\u9fff]/
const LONE_SURROGATE = /\p{Surrogate}/u

/** How one text is cut. */
export interface TokenizeOptions {
  readonly maxTokens: number
  readonly truncate: boolean
  readonly truncationDirection: 'left' | 'right'
}

/** A text in windows: token ids of each with special tokens, and whether text was cut away. */
export interface TokenizedWindows {
  readonly windows: readonly (readonly number[])[]
  readonly truncated: boolean
}

/** Token ids with special tokens, and whether text was cut away. */
export interface Tokenized {
  readonly ids: readonly number[]
  readonly truncated: boolean
}

/** Turns text into token ids; owned by one thread. */
export interface Tokenizer {
  /** What stands for pieces that the vocabulary lacks; null where every character can be spelled. */
  readonly unknownId: number | null
  /**
   * @throws EspalierError `input_too_long` when cutting is off, `invalid_request` for text that cannot be tokenised
   */
  encode(text: string, options: TokenizeOptions): Tokenized
  /**
   * Cuts a text into windows of `maxTokens` each, special tokens and the prompt included, `count` at most.
   * @throws EspalierError as `encode`
   */
  encodeWindows(
    prompt: string,
    text: string,
    options: TokenizeOptions & { readonly count: number },
  ): TokenizedWindows
}

/**
 * Reads a Hugging Face tokenizer.json of at most 64 MiB.
 * @throws EspalierError `invalid_model_file` naming the file
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new EspalierError('invalid_model_file', `${path}: cannot be read`, { cause })
  })
  try {
    const { size } = await handle.stat()
    if (size > MAX_TOKENIZER_BYTES) {
      const limit = `${size} bytes, at most ${MAX_TOKENIZER_BYTES} are accepted`
      throw new EspalierError('invalid_model_file', `${path}: ${limit}`)
    }
    return createTokenizer(await handle.readFile('utf8'), path)
  } finally {
    await handle.close()
  }
}

/**
 * Builds a tokenizer from the text of a tokenizer.json. Its own `truncation` and `padding` are ignored.
 * @param source named in errors
 * @throws EspalierError `invalid_model_file`
 */
export function createTokenizer(json: string, source: string): Tokenizer {
  const config = parseTokenizerJson(json, source)
  const library = createLibrary(config, source)
  const { prefix, suffix } = findSpecialTokens(library, source)
  const special = prefix.length + suffix.length
  const cuttable = canCutAtWhitespace(config)
  const isBreak = breaksOf(config)
  const whole: EncodeText = (text) => encodeAll(library, text)
  const encode = cuttable ? rememberWords(whole, config) : whole

  const tokenizer: Tokenizer = {
    unknownId: findUnknown(config, library),
    encodeWindows(prompt, text, { count, ...options }) {
      const all = tokenizer.encode(prompt + text, { ...options, truncate: true })
      if (!all.truncated) return { windows: [all.ids], truncated: false }
      const start = prompt === '' ? [] : encode(prompt)
      const budget = options.maxTokens - special - start.length
      if (budget < 1) return { windows: [all.ids], truncated: true }
      const maxTokens = special + count * budget
      const { ids, truncated } = tokenizer.encode(text, { ...options, maxTokens })
      const own = ids.slice(prefix.length, ids.length - suffix.length)
      const windows: number[][] = []
      for (let at = 0; at < own.length; at += budget) {
        windows.push([...prefix, ...start, ...own.slice(at, at + budget), ...suffix])
      }
      return { windows, truncated }
    },
    encode(text, options) {
      if (LONE_SURROGATE.test(text)) {
        throw new EspalierError('invalid_request', 'contains a lone surrogate: not valid Unicode')
      }
      const budget = Math.max(0, options.maxTokens - special)
      const ids = cuttable
        ? encodeEnough(encode, text, budget, options.truncationDirection, isBreak)
        : encode(text)
      if (ids.length <= budget) return { ids: [...prefix, ...ids, ...suffix], truncated: false }
      if (!options.truncate) {
        const fix = 'shorten it or allow truncation'
        throw new EspalierError(
          'input_too_long',
          `is longer than ${options.maxTokens} tokens: ${fix}`,
        )
      }
      const kept =
        options.truncationDirection === 'right'
          ? ids.slice(0, budget)
          : ids.slice(ids.length - budget)
      return { ids: [...prefix, ...kept, ...suffix], truncated: true }
    },
  }
  return tokenizer
}

/**
 * Tokenises no more of a long text than is needed to know its first (or last) `budget` tokens and that
 * there are more. Exact where words are independent of each other.
 */
function encodeEnough(
  encode: EncodeText,
  text: string,
  budget: number,
  direction: 'left' | 'right',
  isBreak: IsBreak,
): number[] {
  for (let size = (budget + 1) * CUT_CHARS_PER_TOKEN; size < text.length; size *= CUT_GROWTH) {
    const part = direction === 'right' ? cutHead(text, size, isBreak) : cutTail(text, size, isBreak)
    if (part === null) break
    const ids = encode(part)
    if (ids.length > budget) return ids
  }
  return encode(text)
}

/** Whether a text can be cut before a UTF-16 unit: it is a space, or a character that is a word of its own. */
type IsBreak = (unit: number) => boolean

/** The longest head of at most `size` characters that ends before a break, or null. */
function cutHead(text: string, size: number, isBreak: IsBreak): string | null {
  for (let i = size; i > 0; i--) if (isBreak(text.charCodeAt(i))) return text.slice(0, i)
  return null
}

/** The longest tail of at most `size` characters that starts at a break, or null. */
function cutTail(text: string, size: number, isBreak: IsBreak): string | null {
  for (let i = text.length - size; i < text.length; i++) {
    if (isBreak(text.charCodeAt(i))) return text.slice(i)
  }
  return null
}

/**
 * Chinese characters are words of their own where the normaliser sets spaces around them: only the common block,
 * which neither normalisation nor lower case changes. No added token of the file may hold one.
 */
function breaksOf({ normalizer, added_tokens: added }: TokenizerJson): IsBreak {
  const isSplit = normalizer?.type === 'BertNormalizer' && normalizer.handle_chinese_chars === true
  if (!isSplit || added.some(({ content }) => CHINESE.test(content))) return isSpace
  return (unit) => (unit >= 0x4e00 && unit <= 0x9fff) || isSpace(unit)
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09
}

function encodeAll(library: Library, text: string): number[] {
  let ids: readonly (number | undefined)[]
  try {
    ids = library.encode(text, { add_special_tokens: false }).ids
  } catch (cause) {
    const why =
      cause instanceof RangeError
        ? `too long for this tokenizer (${text.length} characters without a break): shorten or split it`
        : `cannot be tokenised: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new EspalierError('invalid_request', why, { cause })
  }
  return ids.map((id) => {
    if (id !== undefined) return id
    throw new EspalierError('invalid_request', 'has pieces that the vocabulary lacks')
  })
}

/** Finds what the post-processor puts around a text by looking at a short one. */
function findSpecialTokens(
  library: Library,
  source: string,
): { prefix: readonly number[]; suffix: readonly number[] } {
  try {
    const bare = library.encode('a', { add_special_tokens: false }).ids
    const full = library.encode('a').ids
    for (let at = 0; at + bare.length <= full.length; at++) {
      if (!bare.every((id, i) => full[at + i] === id)) continue
      const prefix = full.slice(0, at)
      const suffix = full.slice(at + bare.length)
      if (prefix.every(isTokenId) && suffix.every(isTokenId)) return { prefix, suffix }
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_model_file', `${source}: tokenises nothing: ${reason}`, {
      cause,
    })
  }
  throw new EspalierError('invalid_model_file', `${source}: its special tokens are not usable`)
}

/** The piece for what is unknown: named by WordPiece and BPE, numbered by Unigram; byte pieces leave nothing unknown. */
function findUnknown({ model }: TokenizerJson, library: Library): number | null {
  const { unk_token: name, unk_id: id, byte_fallback: bytes } = model
  if (bytes === true) return null
  if (typeof name === 'string') return library.model.tokens_to_ids.get(name) ?? null
  return typeof id === 'number' ? id : null
}

function isTokenId(id: number | undefined): id is number {
  return id !== undefined
}

/** True where words split at whitespace never influence each other. */
function canCutAtWhitespace(config: TokenizerJson): boolean {
  const { normalizer, pre_tokenizer: preTokenizer, model } = config
  return (
    preTokenizer?.type === 'BertPreTokenizer' &&
    (normalizer === null || normalizer.type === 'BertNormalizer') &&
    (model.type === undefined || model.type === 'WordPiece') &&
    !config.added_tokens.some((token) => /\s/.test(token.content))
  )
}
