import { z } from 'zod'

/** Answer of `GET /info`: the fields of text-embeddings-inference, then ours. */
export const infoSchema = z
  .object({
    model_id: z.string(),
    model_sha: z.string().nullable(),
    model_dtype: z.enum(['float32', 'float16', 'int8']),
    served_model_name: z.string(),
    modality: z.enum(['text', 'image']).describe('What the model reads.'),
    model_type: z.object({ embedding: z.object({ pooling: z.string() }) }),
    max_concurrent_requests: z.int(),
    max_input_length: z
      .int()
      .describe('Tokens that the model reads of one text; what it counts for an image.'),
    max_batch_tokens: z.int().describe('Tokens that may wait for a worker.'),
    max_client_batch_size: z.int().describe('Most inputs of one request.'),
    auto_truncate: z.boolean(),
    tokenization_workers: z.int(),
    version: z.string(),
    model_version: z.int(),
    dimension: z.int(),
    family: z.string(),
    fingerprint: z.string(),
    device: z.string(),
    workers: z.int(),
    prompts: z.record(z.string(), z.string()),
    default_prompt_name: z.string().nullable(),
    max_body_bytes: z.int(),
    max_text_bytes: z.int(),
    max_image_bytes: z.int(),
    max_image_pixels: z.int(),
  })
  .meta({ id: 'Info' })
export type Info = z.infer<typeof infoSchema>
