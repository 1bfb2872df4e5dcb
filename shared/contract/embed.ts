import { z } from 'zod'
import { inputsSchema, modelAddressSchema, positiveIntSchema } from './inputs.ts'

/** Body of `POST /embed`, the shape of text-embeddings-inference. Unknown keys are ignored. */
export const embedRequestSchema = z
  .object({
    inputs: inputsSchema,
    normalize: z.boolean().nullish().describe('L2-normalise the vectors. Default true.'),
    truncate: z
      .boolean()
      .nullish()
      .describe('Cut texts longer than the model reads; false refuses them. Default true.'),
    truncation_direction: z
      .enum(['left', 'right', 'Left', 'Right'])
      .nullish()
      .describe('The end that is cut away. Default right.'),
    prompt_name: z
      .string()
      .max(200)
      .nullish()
      .describe('A prompt of the model, put before each text.'),
    dimensions: positiveIntSchema
      .nullish()
      .describe("The model's own dimension; no other is offered."),
    model: modelAddressSchema.nullish(),
  })
  .meta({ id: 'EmbedRequest' })
export type EmbedRequest = z.infer<typeof embedRequestSchema>

/** Answer of `POST /embed`: one vector per input, in order, numbers with 9 significant digits. */
export const embedResponseSchema = z.array(z.array(z.number())).meta({ id: 'EmbedResponse' })
export type EmbedResponse = z.infer<typeof embedResponseSchema>

/** Request header with the fingerprint that the caller expects. */
export const FINGERPRINT_HEADER = 'x-espalier-fingerprint'
/** Response header with the resolved model, `name@v1`. */
export const MODEL_HEADER = 'x-espalier-model'
