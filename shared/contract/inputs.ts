import { z } from 'zod'

/** An image inside JSON. */
export const imageInputSchema = z
  .object({
    image: z
      .string()
      .describe('A JPEG, PNG or WebP file in base64, bare or as a data URI. URLs are not fetched.'),
  })
  .meta({ id: 'ImageInput' })

/** A text or an image, or a list of them, the inputs of every route that takes both. */
export const inputsSchema = z
  .union([z.string(), z.array(z.union([z.string(), imageInputSchema])), imageInputSchema])
  .describe(
    'A text or an image, or a list of them, as the model reads; a data URI with the content of an image file counts as an image. No input may be empty.',
  )

/** A model as a client names it. */
export const modelAddressSchema = z
  .string()
  .max(200)
  .describe('`name`, `name@alias` or `name@v7`; the default encoder where it is left out.')
