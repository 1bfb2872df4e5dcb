import { z } from 'zod'

/** Media types of a body that is one image. */
export const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp'] as const

/** Names of the parts of a form that are images. */
export const IMAGE_PARTS = ['image', 'images', 'image[]'] as const

/** A form with images: its other fields are those of the JSON body, each as text or JSON. */
export const imageFormSchema = z
  .object({
    image: z
      .array(z.string().meta({ format: 'binary' }))
      .describe('JPEG, PNG or WebP files, one part each.'),
    model: z.string().max(200).optional().describe('The model, as in the JSON body.'),
  })
  .catchall(z.string())
  .meta({ id: 'ImageForm' })

/** Query parameters beside a body that is an image, and beside forms. */
export const uploadQuerySchema = z.object({
  model: z
    .string()
    .max(200)
    .optional()
    .describe(
      'For bodies that are an image: the model, as in the JSON body; so are its other fields.',
    ),
})
