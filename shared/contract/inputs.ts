import { z } from 'zod'

/*
 * What stands in `meta` alone is for the document: the service refuses it as well, with codes and messages of its own,
 * such as `empty_input` and `invalid_name`.
 */

/** Something other than white space. */
export const TEXT_PATTERN = '\\S'

/** A text of a request. Characters without a form are blank as well, which no portable pattern says. */
export const textSchema = z.string().meta({ minLength: 1, pattern: TEXT_PATTERN })

/** A list of inputs, or of what answers them. */
export function listOf<T extends z.ZodType>(item: T): z.ZodArray<T> {
  return z.array(item).meta({ minItems: 1 })
}

/** A whole number of at least 1, as JSON can hold it. */
export const positiveIntSchema = z.int().min(1).meta({ maximum: Number.MAX_SAFE_INTEGER })

/** Base64 in either alphabet, which may be broken into lines, bare or as a data URI. */
const IMAGE_PATTERN =
  '^(?:data:image/(?:jpeg|jpg|png|webp)(?:;[^,;]{1,40})?;base64,)?[A-Za-z0-9+/_\\-][A-Za-z0-9+/_=\\-\\s]*$'

/** An image as text. */
export const imageTextSchema = z.string().meta({ minLength: 1, pattern: IMAGE_PATTERN })

/** An image inside JSON. */
export const imageInputSchema = z
  .object({
    image: imageTextSchema.describe(
      'A JPEG, PNG or WebP file in base64, bare or as a data URI. URLs are not fetched.',
    ),
  })
  .meta({ id: 'ImageInput' })

/** A text or an image, or a list of them, the inputs of every route that takes both. */
export const inputsSchema = z
  .union([textSchema, listOf(z.union([textSchema, imageInputSchema])), imageInputSchema])
  .describe(
    'A text or an image, or a list of them, as the model reads; a data URI with the content of an image file counts as an image. No input may be empty.',
  )

/** A model as a client names it. The service reads it in lower case. */
export const modelAddressSchema = z
  .string()
  .max(200)
  .meta({
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?:@[a-z][a-z0-9-]{0,62})?$',
    // Names have no two dots in a row, and aliases do not look like versions.
    not: { type: 'string', pattern: '\\.\\.|@v(?:0[0-9]*|[0-9]{10,})$' },
  })
  .describe('`name`, `name@alias` or `name@v7`; the default encoder where it is left out.')
