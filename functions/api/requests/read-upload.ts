import { isUtf8 } from 'node:buffer'
import { IMAGE_PARTS, IMAGE_TYPES } from '../../../shared/contract/uploads.ts'
import type { Config } from '../../../shared/lib/config/config.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import { readForm } from './read-form.ts'

/** Images that came as they are, and the other fields of their request. */
export interface Upload {
  readonly images: readonly Uint8Array[]
  /** True for a body that is an image itself. */
  readonly single: boolean
  /** What a JSON body would hold beside its inputs. */
  readonly fields: Readonly<Record<string, unknown>>
}

export type UploadLimits = Pick<Config, 'maxImages' | 'maxImageBytes'>

const FORM_TYPE = /^multipart\/form-data\s*(?:;|$)/i
const MAX_FIELDS = 64
const MAX_FIELD_BYTES = 64 * 1024
/** Fields whose value is text even where it looks like a number. */
const TEXT_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'prompt_name',
  'encoding_format',
  'truncation_direction',
])
const IMAGE_NAMES: ReadonlySet<string> = new Set(IMAGE_PARTS)

/** True for bodies that bring images as they are. */
export function isUpload(contentType: string): boolean {
  return FORM_TYPE.test(contentType) || isImageType(contentType)
}

function isImageType(contentType: string): boolean {
  const type = contentType.split(';')[0]!.trim().toLowerCase()
  return IMAGE_TYPES.some((known) => known === type)
}

/**
 * Takes a body apart that brings images; query parameters count as fields.
 * @throws EspalierError `invalid_request`, `too_many_inputs`, `image_too_large`, `invalid_image`
 */
export function readUpload(
  contentType: string,
  body: Buffer,
  query: Readonly<Record<string, readonly string[]>>,
  limits: UploadLimits,
): Upload {
  const fields: Record<string, unknown> = Object.create(null)
  for (const [name, values] of Object.entries(query)) addField(fields, name, values)
  if (!FORM_TYPE.test(contentType)) {
    checkImage('the body', body, limits)
    return { images: [body], single: true, fields }
  }
  const images: Uint8Array[] = []
  const texts = new Map<string, string[]>()
  for (const { name, fileName, bytes } of readForm(
    contentType,
    body,
    limits.maxImages + MAX_FIELDS,
  )) {
    if (IMAGE_NAMES.has(name)) {
      checkImage(`image[${images.length}]`, bytes, limits)
      if (images.length >= limits.maxImages) throw tooManyImages(limits.maxImages)
      images.push(bytes)
    } else if (fileName !== null) {
      const message = `the part ${quote(name)} is a file; name the parts of images "image"`
      throw new EspalierError('invalid_request', message, { param: name.slice(0, 80) })
    } else {
      texts.set(name, [...(texts.get(name) ?? []), readText(name, bytes)])
    }
  }
  if (images.length === 0) {
    const message =
      'the form has no part "image"; add the files, as curl does with -F image=@cat.jpg'
    throw new EspalierError('empty_input', message, { param: 'image' })
  }
  for (const [name, values] of texts) addField(fields, name, values)
  return { images, single: false, fields }
}

/** A form's own word for a list is to name it again. */
function addField(fields: Record<string, unknown>, name: string, values: readonly string[]): void {
  const parsed = values.map((value) => parseField(name, value))
  fields[name] = parsed.length === 1 ? parsed[0] : parsed
}

/** Numbers, lists and the like are JSON; what is not is text. */
function parseField(name: string, value: string): unknown {
  if (TEXT_FIELDS.has(name) && !value.startsWith('[')) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

function readText(name: string, bytes: Uint8Array): string {
  const fail = (why: string) =>
    new EspalierError('invalid_request', `the field ${quote(name)} ${why}`, {
      param: name.slice(0, 80),
    })
  if (bytes.length > MAX_FIELD_BYTES) throw fail(`has more than ${MAX_FIELD_BYTES} bytes`)
  if (!isUtf8(bytes)) throw fail('is not valid UTF-8')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

function checkImage(param: string, bytes: Uint8Array, { maxImageBytes }: UploadLimits): void {
  if (bytes.length === 0) {
    const message = `${param} is empty; send a JPEG, PNG or WebP file`
    throw new EspalierError('invalid_image', message, { param: 'image' })
  }
  if (isSpoiltText(bytes)) {
    const why =
      'was made text of on its way, so that its bytes are lost; let a gateway in front pass it as binary: a REST API of API Gateway needs the binary media types image/* and multipart/form-data'
    throw new EspalierError('unsupported_image', `${param} ${why}`, { param: 'image' })
  }
  if (bytes.length <= maxImageBytes) return
  const message = `${param} has ${bytes.length} bytes; the limit is ${maxImageBytes} bytes per image`
  throw new EspalierError('image_too_large', message, { param: 'image' })
}

/** True for UTF-8 with U+FFFD in place of what was none: no image is valid UTF-8. */
function isSpoiltText(bytes: Uint8Array): boolean {
  return (
    isUtf8(bytes) && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('\ufffd')
  )
}

function tooManyImages(limit: number): EspalierError {
  const message = `the form has more than ${limit} images, the limit per request; send them in parts`
  return new EspalierError('too_many_inputs', message, { param: 'image' })
}
