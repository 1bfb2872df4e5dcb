const SPECIAL_TOKENS = 2
/** English in word pieces; other languages are learned. */
const FIRST_BYTES_PER_TOKEN = 4
const MIN_BYTES_PER_TOKEN = 1
const MAX_BYTES_PER_TOKEN = 8
/** Tokens after which what was learned counts half: some dozens of runs. */
const HALF_LIFE_TOKENS = 20_000

/**
 * Guesses the tokens of a text from its size: tokenising is the workers' business. The ratio follows what
 * they report, so that the next guesses fit the language of the traffic.
 */
export class TokenEstimator {
  readonly #maxTokens: number
  #bytesPerToken = FIRST_BYTES_PER_TOKEN

  /** @param maxTokens the encoder's own length: no text counts more */
  constructor(maxTokens: number) {
    this.#maxTokens = maxTokens
  }

  /** Tokens of a text of that size, special tokens included. */
  estimate(utf8Bytes: number): number {
    const tokens = Math.ceil(utf8Bytes / this.#bytesPerToken) + SPECIAL_TOKENS
    return Math.min(this.#maxTokens, tokens)
  }

  /** Learns from texts that were not cut: their bytes, and their tokens with the special ones. */
  observe(texts: number, utf8Bytes: number, tokens: number): void {
    const words = tokens - SPECIAL_TOKENS * texts
    if (words <= 0) return
    const weight = 1 - 0.5 ** (tokens / HALF_LIFE_TOKENS)
    const ratio = this.#bytesPerToken + weight * (utf8Bytes / words - this.#bytesPerToken)
    this.#bytesPerToken = Math.min(MAX_BYTES_PER_TOKEN, Math.max(MIN_BYTES_PER_TOKEN, ratio))
  }
}
