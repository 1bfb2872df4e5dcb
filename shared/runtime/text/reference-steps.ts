import { createCharsmap, type Normalize } from './charsmap.ts'

/**
 * Chinese characters beyond the first plane, the ranges of Hugging Face's BertNormalizer (its gap
 * U+2B820–U+2B91F included); the JavaScript library looks at UTF-16 units and misses them.
 */
const ASTRAL_CHINESE =
  /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

/**
 * Words and punctuation as Hugging Face's BertPreTokenizer splits them: its tables are those of Unicode 8, without
 * the signs that became punctuation since, and the next-line character is a space, the byte order mark is none.
 */
const SINCE_UNICODE_8 =
  '\\u061d\\u09fd\\u0a76\\u0c77\\u0c84\\u1b4e\\u1b4f\\u1b7d-\\u1b7f\\u2e43-\\u2e4f\\u2e52-\\u2e5d\\u{10d6e}\\u{10ead}\\u{10ed0}' +
  '\\u{10f55}-\\u{10f59}\\u{10f86}-\\u{10f89}\\u{113d4}\\u{113d5}\\u{113d7}\\u{113d8}\\u{1144b}-\\u{1144f}\\u{1145a}\\u{1145b}' +
  '\\u{1145d}\\u{11660}-\\u{1166c}\\u{116b9}\\u{1183b}\\u{11944}-\\u{11946}\\u{119e2}\\u{11a3f}-\\u{11a46}\\u{11a9a}-\\u{11a9c}' +
  '\\u{11a9e}-\\u{11aa2}\\u{11b00}-\\u{11b09}\\u{11be1}\\u{11c41}-\\u{11c45}\\u{11c70}\\u{11c71}\\u{11ef7}\\u{11ef8}' +
  '\\u{11f43}-\\u{11f4f}\\u{11fff}\\u{12ff1}\\u{12ff2}\\u{16d6d}-\\u{16d6f}\\u{16e97}-\\u{16e9a}\\u{16fe2}\\u{1e5ff}\\u{1e95e}\\u{1e95f}'
const PUNCTUATION = '\\p{P}!-\\/:-@\\[-`\\{-~\\u166d\\u{111c9}'
const BERT_WORDS = new RegExp(
  `(?:[^\\s\\u0085${PUNCTUATION}]|[\\ufeff${SINCE_UNICODE_8}])+|(?![${SINCE_UNICODE_8}])[${PUNCTUATION}]`,
  'gu',
)

/** Spaces of Unicode: the next-line character is one, the byte order mark is none. */
const SPACELESS = /(?:[^\s\u0085]|\ufeff)+/g
const SPACE = /^(?:(?!\ufeff)\s|\u0085)$/

type Step = Readonly<Record<string, unknown>>

/** A step of the library, which may be made of others. */
interface LibraryNormalizer {
  normalize: Normalize
  readonly normalizers?: readonly (LibraryNormalizer | null)[]
}

interface LibraryPreTokenizer {
  pre_tokenize_text: (text: string) => readonly string[]
  readonly tokenizers?: readonly (LibraryPreTokenizer | null)[]
}

/**
 * Gives the library's steps the behaviour of Hugging Face's own ones where the two differ.
 * @param source named in errors
 */
export function correctSteps(
  library: { readonly normalizer: object | null; readonly pre_tokenizer: object | null },
  config: { readonly normalizer: Step | null; readonly pre_tokenizer: Step | null },
  source: string,
): void {
  const { normalizer, pre_tokenizer: preTokenizer } = config
  if (normalizer !== null) {
    correctNormalizer(library.normalizer as LibraryNormalizer | null, normalizer, source)
  }
  if (preTokenizer !== null) {
    correctPreTokenizer(library.pre_tokenizer as LibraryPreTokenizer | null, preTokenizer)
  }
}

function correctPreTokenizer(step: LibraryPreTokenizer | null | undefined, config: Step): void {
  if (!step) return
  if (config.type === 'Sequence') {
    for (const [at, part] of partsOf(config.pretokenizers).entries()) {
      correctPreTokenizer(step.tokenizers?.[at], part)
    }
  } else if (config.type === 'BertPreTokenizer') {
    step.pre_tokenize_text = (text) => text.match(BERT_WORDS) ?? []
  } else if (config.type === 'WhitespaceSplit') {
    step.pre_tokenize_text = (text) => text.match(SPACELESS) ?? []
  }
}

function partsOf(value: unknown): readonly Step[] {
  return Array.isArray(value) ? (value as Step[]) : []
}

function correctNormalizer(
  step: LibraryNormalizer | null | undefined,
  config: Step,
  source: string,
): void {
  if (!step) return
  if (config.type === 'Sequence') {
    for (const [at, part] of partsOf(config.normalizers).entries()) {
      correctNormalizer(step.normalizers?.[at], part, source)
    }
  } else if (config.type === 'Precompiled' && typeof config.precompiled_charsmap === 'string') {
    step.normalize = createCharsmap(config.precompiled_charsmap, source)
  } else if (config.type === 'Lowercase') {
    // Characters are lowered one by one there, so that a final capital sigma becomes σ.
    step.normalize = (text) => text.replaceAll('Σ', 'σ').toLowerCase()
  } else if (config.type === 'Strip') {
    step.normalize = (text) => strip(text, config.strip_left === true, config.strip_right === true)
  } else if (config.type === 'BertNormalizer') {
    correctBert(step, config)
  }
}

function strip(text: string, left: boolean, right: boolean): string {
  let [from, to] = [0, text.length]
  while (left && from < to && SPACE.test(text[from]!)) from++
  while (right && to > from && SPACE.test(text[to - 1]!)) to--
  return text.slice(from, to)
}

/** Chinese characters of the higher planes are words of their own, and a final capital sigma becomes σ. */
function correctBert(step: LibraryNormalizer, config: Step): void {
  const chinese = config.handle_chinese_chars === true
  const lowercase = config.lowercase === true
  const original = step.normalize.bind(step)
  step.normalize = (text) => {
    let fixed = chinese ? text.replace(ASTRAL_CHINESE, ' $& ') : text
    if (lowercase) fixed = fixed.replaceAll('Σ', 'σ')
    return original(fixed)
  }
}
