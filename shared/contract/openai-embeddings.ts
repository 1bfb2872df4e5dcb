import { z } from 'zod'
import { inputsSchema, modelAddressSchema, positiveIntSchema } from './inputs.ts'

/** Body of `POST /v1/embeddings`, the shape of OpenAI. Unknown keys are ignored. */
export const openaiEmbeddingsRequestSchema = z
  .object({
    input: inputsSchema,
    model: modelAddressSchema.nullish(),
    encoding_format: z
      .enum(['float', 'base64'])
      .nullish()
      .describe('base64 is little-endian float32. Default float.'),
    dimensions: positiveIntSchema
      .nullish()
      .describe("The model's own dimension; no other is offered."),
    truncate: z
      .boolean()
      .nullish()
      .describe('Addition: false refuses texts longer than the model reads. Default true.'),
    prompt_name: z
      .string()
      .max(200)
      .nullish()
      .describe('Addition: a prompt of the model, put before each text.'),
  })
  .meta({ id: 'OpenAIEmbeddingsRequest' })
export type OpenAIEmbeddingsRequest = z.infer<typeof openaiEmbeddingsRequestSchema>

/** Answer of `POST /v1/embeddings`, in the order of the inputs. */
export const openaiEmbeddingsResponseSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int().min(0),
        embedding: z.union([z.array(z.number()), z.string()]),
      }),
    ),
    model: z.string().describe('The version that answered, `name@v1`.'),
    usage: z.object({ prompt_tokens: z.int().min(0), total_tokens: z.int().min(0) }),
  })
  .meta({ id: 'OpenAIEmbeddingsResponse' })
export type OpenAIEmbeddingsResponse = z.infer<typeof openaiEmbeddingsResponseSchema>
