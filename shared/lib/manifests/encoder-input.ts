/** What an encoder reads: a text, or the bytes of an image's file (JPEG, PNG or WebP). */
export type EncoderInput = string | Uint8Array

/** The kind of input that an encoder reads. */
export type Modality = 'text' | 'image'

/** The kind that an input is of. */
export function modalityOf(input: EncoderInput): Modality {
  return typeof input === 'string' ? 'text' : 'image'
}
