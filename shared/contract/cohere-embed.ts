import { z } from 'zod'
import {
  imageTextSchema,
  listOf,
  modelAddressSchema,
  positiveIntSchema,
  textSchema,
} from './inputs.ts'

const partSchema = z.union([
  z.object({ type: z.literal('text'), text: textSchema }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: imageTextSchema }) }),
])

/** What texts are for, in the words of Cohere. */
const INPUT_TYPES = [
  'search_query',
  'search_document',
  'classification',
  'clustering',
  'image',
] as const
export type CohereInputType = (typeof INPUT_TYPES)[number]

/** Body of `POST /v2/embed`, the shape of Cohere: one of `texts`, `images` and `inputs`. Unknown keys are ignored. */
export const cohereEmbedRequestSchema = z
  .object({
    model: modelAddressSchema.nullish(),
    input_type: z
      .enum(INPUT_TYPES)
      .nullish()
      .describe(
        'The side of a search that the texts are on. Where the encoder has a prompt for it, the texts get it: `query` for search_query; `document`, `passage` or `corpus` for search_document; `classification`; `clustering`. Else they get the default prompt, if there is one.',
      ),
    texts: listOf(textSchema).nullish(),
    images: listOf(imageTextSchema)
      .nullish()
      .describe('JPEG, PNG or WebP files as data URIs. URLs are not fetched.'),
    inputs: listOf(
      z.object({ content: z.array(partSchema).length(1).meta({ minItems: 1, maxItems: 1 }) }),
    )
      .nullish()
      .describe('A text or an image each.'),
    embedding_types: z
      .array(z.enum(['float', 'base64']))
      .min(1)
      .nullish()
      .describe('base64 is little-endian float32. Default float.'),
    truncate: z
      .enum(['NONE', 'START', 'END'])
      .nullish()
      .describe('The end of long texts that is cut; NONE refuses them. Default END.'),
    output_dimension: positiveIntSchema
      .nullish()
      .describe("The model's own dimension; no other is offered."),
  })
  .meta({
    id: 'CohereEmbedRequest',
    oneOf: ['texts', 'images', 'inputs'].map((field) => ({
      required: [field],
      properties: { [field]: { type: 'array' } },
    })),
  })
export type CohereEmbedRequest = z.infer<typeof cohereEmbedRequestSchema>

/** Answer of `POST /v2/embed`, in the order of the inputs. */
export const cohereEmbedResponseSchema = z
  .object({
    id: z.string(),
    embeddings: z.object({
      float: z.array(z.array(z.number())).optional(),
      base64: z.array(z.string()).optional(),
    }),
    texts: z.array(z.string()),
    meta: z.object({
      api_version: z.object({ version: z.string() }),
      billed_units: z.object({
        input_tokens: z.int().optional(),
        images: z.int().optional(),
      }),
    }),
    response_type: z.literal('embeddings_by_type'),
    model: z.string().describe('Addition: the version that answered, `name@v1`.'),
  })
  .meta({ id: 'CohereEmbedResponse' })
export type CohereEmbedResponse = z.infer<typeof cohereEmbedResponseSchema>
