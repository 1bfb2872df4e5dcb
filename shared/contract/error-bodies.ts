import { z } from 'zod'

/** The error body of native and OpenAI-shaped routes: RFC 9457 members, `error{}` and `message` in one. */
export const errorBodySchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    id: z.string().describe('The request id.'),
    message: z.string(),
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
    }),
  })
  .meta({ id: 'Error' })
export type ErrorBody = z.infer<typeof errorBodySchema>

/** The error types of text-embeddings-inference. */
export const TEI_ERROR_TYPES = [
  'Unhealthy',
  'Backend',
  'Overloaded',
  'Validation',
  'Tokenizer',
  'Empty',
] as const

/** The error body of the routes that text-embeddings-inference has. */
export const teiErrorBodySchema = z
  .object({ error: z.string(), error_type: z.enum(TEI_ERROR_TYPES) })
  .meta({ id: 'TeiError' })
export type TeiErrorBody = z.infer<typeof teiErrorBodySchema>
