import type { DatasetWarning } from '../../dataset/summary.ts'
import type { Encoder } from '../../encoder/types.ts'
import { isSameReading, type TextReading } from '../../head/head.ts'
import { EspalierError } from '../../lib/errors.ts'

type Tokenizer = NonNullable<Awaited<ReturnType<NonNullable<Encoder['openTokenizer']>>>>

/** Texts that are looked at, spread evenly over all of them, and characters of those together. */
const MAX_TEXTS = 2_000
const MAX_CHARACTERS = 500_000
/** Shares from which on a warning is given. */
const MANY_UNKNOWN = 0.02
const MUCH_OF_A_SCRIPT = 0.05
const MANY_CUT = 0.01
/** Tokens a letter from which on words are read letter by letter; syllabic and Han letters are tokens by nature. */
const SPELLED = 0.8
const SPELLED_IN_BYTES = 1.3
/** Letters of one script that are tokenised to tell. */
const MAX_LETTERS = 20_000
/** Shorter words are single letters in any vocabulary. */
const SHORTEST_WORD = 3

const SCRIPTS = [
  ...['Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Bengali', 'Tamil', 'Telugu', 'Thai'],
  ...['Georgian', 'Armenian', 'Ethiopic', 'Khmer', 'Lao', 'Myanmar', 'Sinhala', 'Gujarati'],
  ...['Gurmukhi', 'Kannada', 'Malayalam', 'Hangul', 'Han', 'Hiragana', 'Katakana'],
] as const
const OWN_TOKENS: ReadonlySet<string> = new Set(['Hangul', 'Han', 'Hiragana', 'Katakana'])

const LETTERS = /\p{L}/gu
const WORDS = new Map(
  SCRIPTS.map((script) => [script, new RegExp(`[\\p{Script=${script}}\\p{M}]+`, 'gu')]),
)

/** Looks at what an encoder's vocabulary makes of texts; null for encoders without one. */
export async function openTextCoverage(
  encoder: Pick<Encoder, 'info' | 'openTokenizer'>,
): Promise<TextCoverage | null> {
  const tokenizer = (await encoder.openTokenizer?.()) ?? null
  return tokenizer && new TextCoverage(tokenizer, encoder.info.maxTokens)
}

/** Counts of the texts that were looked at. */
export class TextCoverage {
  readonly #tokenizer: Tokenizer
  readonly #maxTokens: number
  readonly #scripts = new Map<string, { letters: number; read: number; tokens: number }>()
  #texts = 0
  #characters = 0
  #letters = 0
  #tokens = 0
  #unknown = 0
  #affected = 0
  #cut = 0

  constructor(tokenizer: Tokenizer, maxTokens: number) {
    this.#tokenizer = tokenizer
    this.#maxTokens = maxTokens
  }

  /** Looks at some of the texts, spread evenly. */
  lookAtAll(texts: readonly string[]): void {
    const stride = Math.max(1, texts.length / MAX_TEXTS)
    for (let at = 0; at < texts.length; at += stride) this.look(texts[Math.floor(at)]!)
  }

  /** Looks at a text, unless enough have been. */
  look(text: string): void {
    if (this.#texts >= MAX_TEXTS || this.#characters >= MAX_CHARACTERS) return
    const found = this.#encode(text)
    if (found === null) return
    const { unknownId } = this.#tokenizer
    const unknown = unknownId === null ? 0 : found.ids.filter((id) => id === unknownId).length
    this.#texts++
    this.#characters += text.length
    this.#tokens += found.ids.length
    this.#unknown += unknown
    this.#affected += Number(unknown > 0)
    this.#cut += Number(found.truncated)
    this.#letters += text.match(LETTERS)?.length ?? 0
    for (const [script, words] of WORDS) this.#lookAtScript(script, text.match(words) ?? [])
  }

  #lookAtScript(script: string, words: readonly string[]): void {
    if (words.length === 0) return
    const seen = this.#scripts.get(script) ?? { letters: 0, read: 0, tokens: 0 }
    this.#scripts.set(script, seen)
    const empty = this.#encode('')?.ids.length ?? 0
    for (const word of words) {
      const letters = word.match(LETTERS)?.length ?? 0
      seen.letters += letters
      if (letters < SHORTEST_WORD || seen.read >= MAX_LETTERS) continue
      const ids = this.#encode(word)?.ids ?? []
      const whole = ids.filter((id) => id === this.#tokenizer.unknownId).length
      seen.read += letters
      // A word that is unknown as a whole is no better than one that is spelled.
      seen.tokens += whole > 0 ? letters : ids.length - empty
    }
  }

  #encode(text: string) {
    try {
      const options = { maxTokens: this.#maxTokens, truncate: true } as const
      return this.#tokenizer.encode(text, { ...options, truncationDirection: 'right' })
    } catch (error) {
      // Such a text is refused where it is embedded, by its line.
      if (error instanceof EspalierError) return null
      throw error
    }
  }

  /** What a reader of the result should know, in sentences; texts that are read otherwise than usual lose no end. */
  describe(reading?: TextReading | undefined): DatasetWarning[] {
    const warnings: DatasetWarning[] = []
    const unknown = this.#unknown / Math.max(1, this.#tokens)
    if (unknown >= MANY_UNKNOWN) {
      warnings.push({
        code: 'unknown_tokens',
        count: this.#affected,
        message:
          `${percent(unknown)} of the tokens in these texts are unknown to the encoder, in ${percent(this.#affected / this.#texts)} ` +
          'of the texts: it takes all of them for the same; use an encoder that knows these characters',
        examples: [],
      })
    }
    const scripts = this.#unreadScripts()
    if (scripts.length > 0) {
      const told = scripts.map(
        ({ script, share }) => `${script} (${percent(share)} of the letters)`,
      )
      warnings.push({
        code: 'unknown_scripts',
        count: scripts.length,
        message:
          `the encoder has no words in ${told.join(', ')}: it reads them letter by letter, or not at all; use an ` +
          'encoder of that language, or a multilingual one',
        examples: scripts.map(({ script }) => script),
      })
    }
    if (isSameReading(reading) && this.#cut / Math.max(1, this.#texts) >= MANY_CUT) {
      warnings.push({
        code: 'cut_texts',
        count: this.#cut,
        message:
          `${percent(this.#cut / this.#texts)} of the texts are longer than the ${this.#maxTokens} tokens that the encoder reads, and ` +
          'their ends are left unread: read them from the other end or in windows, put what matters first, split or shorten them, or use an encoder of longer texts',
        examples: [],
      })
    }
    return warnings
  }

  #unreadScripts(): { script: string; share: number }[] {
    return [...this.#scripts].flatMap(([script, { letters, read, tokens }]) => {
      const share = letters / Math.max(1, this.#letters)
      const limit = OWN_TOKENS.has(script) ? SPELLED_IN_BYTES : SPELLED
      const isUnread = read > 0 && tokens / read >= limit
      return share >= MUCH_OF_A_SCRIPT && isUnread ? [{ script, share }] : []
    })
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
