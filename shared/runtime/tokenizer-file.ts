import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'

const MAX_TOKEN_ID = 10_000_000
/**
 * Chinese characters beyond the first plane, the ranges of Hugging Face's BertNormalizer (its gap
 * U+2B820–U+2B91F included); the JavaScript library looks at UTF-16 units and misses them.
 */
const ASTRAL_CHINESE =
  /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

const tokenId = z.int().min(0).max(MAX_TOKEN_ID)
const tokenizerSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: tokenId, content: z.string().min(1).max(4096) }))
    .max(100_000)
    .default([]),
  normalizer: z.looseObject({ type: z.string() }).nullable().default(null),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullable().default(null),
  post_processor: z.looseObject({ type: z.string() }).nullable().default(null),
  decoder: z.looseObject({ type: z.string() }).nullable().default(null),
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([z.record(z.string(), tokenId), z.array(z.unknown()).max(MAX_TOKEN_ID)]),
    max_input_chars_per_word: z.int().min(1).max(10_000).optional(),
  }),
})
export type TokenizerJson = z.infer<typeof tokenizerSchema>

/** The part of the library that is used; its own declarations do not resolve under NodeNext. */
export interface Library {
  readonly normalizer: { normalize(text: string): string } | null
  encode(
    text: string,
    options?: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[] }
}

/** @throws EspalierError `invalid_model_file` naming the source and the field */
export function parseTokenizerJson(json: string, source: string): TokenizerJson {
  let raw: unknown
  try {
    raw = JSON.parse(json)
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${source}: not valid JSON`, { cause })
  }
  const parsed = tokenizerSchema.safeParse(raw)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') || 'tokenizer'
  throw new EspalierError('invalid_model_file', `${source}: ${where}: ${issue?.message}`)
}

/**
 * The library's tokenizer without the truncation and padding of the file.
 * @throws EspalierError `invalid_model_file`
 */
export function createLibrary(config: TokenizerJson, source: string): Library {
  try {
    const settings = { ...config, truncation: null, padding: null }
    const library: Library = new LibraryTokenizer(settings, {})
    fixBertNormalizer(library, config)
    return library
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_model_file', `${source}: unusable tokenizer: ${reason}`, {
      cause,
    })
  }
}

/**
 * Two corrections towards Hugging Face's own normaliser: Chinese characters of the higher planes are words
 * of their own, and a final capital sigma becomes σ (characters are lowered one by one there).
 */
function fixBertNormalizer(library: Library, config: TokenizerJson): void {
  const normalizer = library.normalizer
  if (normalizer === null || config.normalizer?.type !== 'BertNormalizer') return
  const chinese = config.normalizer.handle_chinese_chars === true
  const lowercase = config.normalizer.lowercase === true
  const original = normalizer.normalize.bind(normalizer)
  normalizer.normalize = (text: string) => {
    let fixed = chinese ? text.replace(ASTRAL_CHINESE, ' $& ') : text
    if (lowercase) fixed = fixed.replaceAll('Σ', 'σ')
    return original(fixed)
  }
}
