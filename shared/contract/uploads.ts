import { z } from 'zod'
import { modelAddressSchema } from './inputs.ts'

/** Media types of a body that is one image. */
export const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp'] as const

/** Names of the parts of a form that are images. */
export const IMAGE_PARTS = ['image', 'images', 'image[]'] as const

/** The bytes of a file as they are. */
const imageFileSchema = z.string().meta({ format: 'binary', minLength: 1 })

/**
 * The form of a route with images in place of the inputs of its JSON: its other fields are those of the JSON body,
 * each as text or JSON, and left out instead of null.
 * @param field of the inputs
 */
export function imageFormOf(request: z.ZodObject, field: string): z.ZodObject {
  const { [field]: _, ...others } = request.shape
  const fields = Object.entries(others).map(([name, schema]) => {
    const { description = '' } = schema as z.ZodType
    return [
      name,
      withoutNull(schema as z.ZodType)
        .optional()
        .describe(description),
    ]
  })
  return z.object({
    image: z
      .array(imageFileSchema)
      .meta({ minItems: 1 })
      .describe('JPEG, PNG or WebP files, one part each.'),
    ...Object.fromEntries(fields),
  })
}

/** What a field is where it is given. */
function withoutNull(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return withoutNull(schema.unwrap() as z.ZodType)
  }
  return schema
}

/** Query parameters beside a body that is an image, and beside forms. */
export const uploadQuerySchema = z.object({
  model: modelAddressSchema
    .optional()
    .describe(
      'For bodies that are an image: the model, as in the JSON body; so are its other fields.',
    ),
})
