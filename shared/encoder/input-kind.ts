import { hash } from 'node:crypto'
import { EspalierError } from '../lib/errors.ts'
import { type EncoderInput, type Modality, modalityOf } from '../lib/manifests/encoder-input.ts'
import type { EncoderManifest } from '../lib/manifests/encoder-manifest.ts'
import {
  type ImageCheck,
  MAX_IMAGE_BYTES,
  MAX_IMAGE_PIXELS,
} from '../lib/manifests/image-preprocessing.ts'
import { readImageSize } from '../runtime/image/image-size.ts'
import { type JobMode, type JobResult, MAX_WINDOWS } from '../runtime/protocol.ts'
import type { Item } from './item.ts'

/** What an input takes: bytes of memory, and the queue's unit of time. */
export interface InputSize {
  readonly bytes: number
  readonly tokens: number
  /** Of an image, as its header says; 0 for texts, and for what no decoder takes. */
  readonly pixels: number
}

/** An image of so many pixels takes as long to decode as a small one takes in all: some 8 ms. */
const PIXELS_A_RUN = 1_000_000

/** Bounds of a single input. */
export interface InputBounds {
  /** Most UTF-8 bytes of one text. */
  readonly maxTextBytes: number
  /** Most bytes of one image file. @default 10 MiB */
  readonly maxImageBytes?: number | undefined
  /** Most pixels of one image, which a worker checks before it decodes. @default 50 million */
  readonly maxImagePixels?: number | undefined
  /** Whether damaged JPEGs are refused, which a worker finds out. @default 'strict' */
  readonly imageCheck?: ImageCheck | undefined
}

/** How the inputs of one modality are told apart and measured before they wait. */
export interface InputKind {
  /**
   * Inputs of the same key are the same; texts are their own keys.
   * @throws EspalierError `image_too_large`, `invalid_image` naming the input
   */
  keyOf(input: EncoderInput, index: number): string
  /** @throws EspalierError `input_too_large` naming the input */
  measure(input: EncoderInput, index: number, mode: Pick<JobMode, 'prompt' | 'windows'>): InputSize
  /** Learns from a job that came back. */
  learn(items: readonly Item<unknown>[], result: JobResult): void
}

/** What takes in the inputs of an encoder. */
export function createInputKind(manifest: EncoderManifest, bounds: InputBounds): InputKind {
  return manifest.modality === 'text'
    ? new TextInputs(manifest.maxTokens, bounds.maxTextBytes)
    : new ImageInputs(manifest.tokens, bounds)
}

/** @throws EspalierError `wrong_modality` naming the first input of another kind */
export function checkModality(inputs: readonly EncoderInput[], wanted: Modality): void {
  const index = inputs.findIndex((input) => modalityOf(input) !== wanted)
  if (index < 0) return
  const [found, reads] = wanted === 'text' ? ['an image', 'texts'] : ['a text', 'images']
  throw new EspalierError('wrong_modality', `is ${found}; this model reads ${reads}`, { index })
}

class TextInputs implements InputKind {
  readonly #estimator: TokenEstimator
  readonly #maxBytes: number

  constructor(maxTokens: number, maxBytes: number) {
    this.#estimator = new TokenEstimator(maxTokens)
    this.#maxBytes = maxBytes
  }

  keyOf(input: EncoderInput): string {
    return input as string
  }

  measure(
    input: EncoderInput,
    index: number,
    { prompt, windows }: Pick<JobMode, 'prompt' | 'windows'>,
  ): InputSize {
    const own = Buffer.byteLength(input as string)
    if (own > this.#maxBytes) {
      const message = `has ${own} bytes of text, at most ${this.#maxBytes} are accepted`
      throw new EspalierError('input_too_large', message, { index })
    }
    const bytes = Buffer.byteLength(prompt) + own
    return { bytes, tokens: this.#estimator.estimate(bytes, windows ? MAX_WINDOWS : 1), pixels: 0 }
  }

  learn(items: readonly Item<unknown>[], { tokens, truncated }: JobResult): void {
    let texts = 0
    let bytes = 0
    let counted = 0
    for (const [row, item] of items.entries()) {
      if (item.known || truncated[row] === 1 || tokens[row] === 0) continue
      texts += 1
      bytes += item.bytes
      counted += tokens[row] as number
    }
    this.#estimator.observe(texts, bytes, counted)
  }
}

class ImageInputs implements InputKind {
  readonly #tokens: number
  readonly #maxBytes: number
  readonly #maxPixels: number

  constructor(tokens: number, bounds: InputBounds) {
    const { maxImageBytes = MAX_IMAGE_BYTES, maxImagePixels = MAX_IMAGE_PIXELS } = bounds
    this.#tokens = tokens
    this.#maxBytes = maxImageBytes
    this.#maxPixels = maxImagePixels
  }

  keyOf(input: EncoderInput, index: number): string {
    const bytes = input as Uint8Array
    if (bytes.length === 0) {
      const message = 'is an empty file; send a JPEG, PNG or WebP image'
      throw new EspalierError('invalid_image', message, { index })
    }
    if (bytes.length > this.#maxBytes) {
      const message = `has ${bytes.length} bytes; an image may have ${this.#maxBytes}`
      throw new EspalierError('image_too_large', message, { index })
    }
    return hash('sha256', bytes, 'base64')
  }

  measure(input: EncoderInput): InputSize {
    const { width, height } = readImageSize(input as Uint8Array) ?? { width: 0, height: 0 }
    const area = width * height
    // A larger one is refused by its header as well, and costs nothing.
    const pixels = area > this.#maxPixels ? 0 : area
    const tokens = Math.ceil(this.#tokens * (1 + pixels / PIXELS_A_RUN))
    return { bytes: input.length, tokens, pixels }
  }

  learn(): void {}
}

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

  /** Tokens of a text of that size that is read in so many windows at most, special tokens included. */
  estimate(utf8Bytes: number, windows = 1): number {
    const tokens = Math.ceil(utf8Bytes / this.#bytesPerToken) + SPECIAL_TOKENS
    return Math.min(windows * this.#maxTokens, tokens)
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
