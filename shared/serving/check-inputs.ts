import { EspalierError } from '../lib/errors.ts'
import { findLoneSurrogate, isLongerThanBytes } from '../lib/text/text.ts'

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
 * Refuses a text that no encoder should see. NUL bytes and blank texts are texts.
 * @throws EspalierError `empty_input`, `input_too_large`, `invalid_request`
 */
export function checkText(text: string, param: () => string, { maxTextBytes }: InputLimits): void {
  if (text.length === 0) {
    throw new EspalierError('empty_input', `${param()} is an empty string`, { param: param() })
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
