import type { EncoderInfo, EncoderInput } from '../encoder/types.ts'
import { EspalierError } from '../lib/errors.ts'
import { modalityOf } from '../lib/manifests/encoder-input.ts'
import { findLoneSurrogate, isBlank, isLongerThanBytes } from '../lib/text/text.ts'
import { hint, option, say, task } from '../lib/wording.ts'

/** What bounds the inputs of one request. */
export interface InputLimits {
  readonly maxInputs: number
  readonly maxTextBytes: number
  /** Images of one request. */
  readonly maxImages: number
  readonly maxImageBytes: number
}

/** How messages name an input: `inputs[3]`, or `inputs` where the caller gave one bare text. */
export function nameInput(field: string, index: number, single: boolean): string {
  return single ? field : `${field}[${index}]`
}

/**
 * Refuses more inputs than allowed, before anything looks at each of them.
 * @throws EspalierError `too_many_inputs`
 */
export function checkInputCount(count: number, field: string, { maxInputs }: InputLimits): void {
  if (count <= maxInputs) return
  throw new EspalierError(
    'too_many_inputs',
    `${field} has ${count} items; the limit is ${maxInputs} per request, send them in parts`,
    { param: field },
  )
}

/**
 * Refuses a text that no encoder should see: one without a visible character, one that is too long or no Unicode.
 * @throws EspalierError `empty_input`, `input_too_large`, `invalid_request`
 */
export function checkText(text: string, param: () => string, { maxTextBytes }: InputLimits): void {
  if (text.length === 0) {
    throw new EspalierError('empty_input', `${param()} is an empty string`, { param: param() })
  }
  // What is too long is refused for that, and not searched.
  if (text.length <= maxTextBytes && isBlank(text)) {
    const message = `${param()} has no visible character; leave such texts out`
    throw new EspalierError('empty_input', message, { param: param() })
  }
  if (isLongerThanBytes(text, maxTextBytes)) {
    const bytes = Buffer.byteLength(text)
    throw new EspalierError(
      'input_too_large',
      `${param()} has ${bytes} bytes; the limit is ${maxTextBytes} bytes per text`,
      { param: param() },
    )
  }
  const lone = findLoneSurrogate(text)
  if (lone >= 0) {
    throw new EspalierError(
      'invalid_request',
      `${param()} has a lone surrogate at character ${lone}; it is not valid Unicode`,
      { param: param() },
    )
  }
}

/** An input as a caller gives it: a text, a data URI, or an image in base64 or as the bytes of its file. */
export type GivenInput = string | { readonly image: string | Uint8Array }

/** The inputs of a request as encoders take them. */
export interface ReadInputs {
  readonly inputs: readonly EncoderInput[]
  /** True where the caller gave one bare input, which messages then name without an index. */
  readonly single: boolean
}

const DATA_URI = /^data:([^,]{0,200}),/i
const URL_SCHEME = /^(?:https?|ftp|file|s3|gs):\/\//i
const IMAGE_FORMATS = 'JPEG, PNG or WebP'

/**
 * Reads the inputs of a request and refuses what no encoder should see; what a model reads is not looked at.
 * @throws EspalierError `empty_input`, `too_many_inputs`, `input_too_large`, `invalid_request`, `invalid_image`,
 *   `image_too_large`, `unsupported_image`
 */
export function readInputs(
  given: GivenInput | readonly GivenInput[],
  field: string,
  limits: InputLimits,
): ReadInputs {
  const single = !isList(given)
  const list = single ? [given] : given
  if (list.length === 0) {
    throw new EspalierError('empty_input', `${field} is an empty list; send at least one input`, {
      param: field,
    })
  }
  checkInputCount(list.length, field, limits)
  let images = 0
  const inputs = list.map((input, index): EncoderInput => {
    const param = () => nameInput(field, index, single)
    if (typeof input === 'string' && !isImageUri(input)) {
      checkText(input, param, limits)
      return input
    }
    if (++images > limits.maxImages) {
      const fix = 'send them in parts'
      const message = `${field} has more than ${limits.maxImages} images, the limit per request; ${fix}`
      throw new EspalierError('too_many_inputs', message, { param: field })
    }
    const image = typeof input === 'string' ? input : input.image
    return typeof image === 'string' ? decodeImage(image, param(), limits) : image
  })
  return { inputs, single }
}

/**
 * Refuses inputs of a kind that a model does not read.
 * @throws EspalierError `wrong_modality`; `invalid_request` for a URL in place of an image
 */
export function checkModality(
  { inputs, single }: ReadInputs,
  { name, version, modality }: EncoderInfo,
  field: string,
): void {
  const index = inputs.findIndex((input) => modalityOf(input) !== modality)
  if (index < 0) return
  const param = nameInput(field, index, single)
  const input = inputs[index]!
  const model = `${name}@v${version}`
  if (typeof input === 'string') {
    if (URL_SCHEME.test(input)) throw neverFetched(param)
    const fix = `send images (${IMAGE_FORMATS}) as {"image": "<base64>"}, as a data URI or as an upload`
    const message = `${param} is a text; ${model} reads images: ${fix}`
    throw new EspalierError('wrong_modality', message, { param })
  }
  const list = hint(say`; ${task('models')} says what each reads`)
  const fix = say`name one that reads images in ${option('encoder')}${list}`
  const message = say`${param} is an image; ${model} reads texts: ${fix}`
  throw new EspalierError('wrong_modality', message, { param })
}

function isList(given: GivenInput | readonly GivenInput[]): given is readonly GivenInput[] {
  return Array.isArray(given)
}

function isImageUri(text: string): boolean {
  return text.length > 11 && text.slice(0, 11).toLowerCase() === 'data:image/'
}

function decodeImage(text: string, param: string, limits: InputLimits): Uint8Array {
  if (URL_SCHEME.test(text)) throw neverFetched(param)
  const head = DATA_URI.exec(text)
  if (head && !/;base64$/i.test(head[1]!)) {
    const message = `${param} is a data URI without base64; write data:image/jpeg;base64,…`
    throw new EspalierError('invalid_image', message, { param })
  }
  if (head && !/^image\/(?:jpeg|jpg|png|webp)(?:;|$)/i.test(head[1]!)) {
    const type = head[1]!.split(';')[0]!.slice(0, 40)
    const message = `${param} is a data URI of ${type || 'no type'}; send ${IMAGE_FORMATS}`
    throw new EspalierError('unsupported_image', message, { param })
  }
  return decodeBase64(head ? text.slice(head[0].length) : text, param, limits)
}

/** Standard or URL-safe base64, with or without padding; lines may be broken. */
function decodeBase64(text: string, param: string, { maxImageBytes }: InputLimits): Uint8Array {
  const fail = (why: string) =>
    new EspalierError(
      'invalid_image',
      `${param} ${why}; send the bytes of a ${IMAGE_FORMATS} file in base64`,
      {
        param,
      },
    )
  if (text.length === 0) throw fail('is an empty image')
  if (Math.floor((text.length * 3) / 4) > maxImageBytes + MAX_BREAKS) {
    throw tooLarge(param, Math.floor((text.length * 3) / 4), maxImageBytes)
  }
  const bytes = Buffer.from(text, 'base64')
  // What is not base64 is skipped by the decoder, so that too few bytes come out.
  if (bytes.length !== lengthOf(text) && bytes.length !== lengthOf(text.replace(/\s+/g, ''))) {
    throw fail('is not base64')
  }
  if (bytes.length === 0) throw fail('is an empty image')
  if (bytes.length > maxImageBytes) throw tooLarge(param, bytes.length, maxImageBytes)
  return bytes
}

/** Room for line breaks and padding in what is measured before it is decoded. */
const MAX_BREAKS = 1 << 20

/** Bytes that base64 stands for; null where no base64 has so many characters. */
function lengthOf(base64: string): number | null {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  const digits = base64.length - padding
  return digits % 4 === 1 ? null : Math.floor((digits * 3) / 4)
}

/** The error for an image of more bytes than are taken. */
function tooLarge(param: string, bytes: number, limit: number): EspalierError {
  const message = `${param} has ${bytes} bytes; the limit is ${limit} bytes per image`
  return new EspalierError('image_too_large', message, { param })
}

function neverFetched(param: string): EspalierError {
  const message = `${param} is a URL; images are never fetched: send the file itself, in base64 or as an upload`
  return new EspalierError('invalid_request', message, { param })
}
