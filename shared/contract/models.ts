import { z } from 'zod'

/** What every model has: OpenAI's fields first, then ours. */
const modelFields = {
  id: z.string().describe('The name that requests use.'),
  object: z.literal('model'),
  created: z.int().min(0).describe('Unix seconds.'),
  owned_by: z.string(),
  version: z.int().min(1).describe('The version that an unqualified name means.'),
  versions: z.array(z.int().min(1)),
  aliases: z.record(z.string(), z.int().min(1)),
}

/** An encoder in the list of models. */
export const embeddingModelSchema = z
  .object({
    ...modelFields,
    kind: z.literal('embedding'),
    dimension: z.int().min(1),
    max_tokens: z.int().min(1),
    pooling: z.string(),
    precision: z.enum(['float32', 'float16', 'int8']),
    prompts: z.array(z.string()),
    family: z.string(),
    fingerprint: z.string(),
  })
  .meta({ id: 'EmbeddingModel' })

/** A classifier in the list of models; it need not be loaded. */
export const classifierModelSchema = z
  .object({
    ...modelFields,
    kind: z.literal('classifier'),
    version: modelFields.version
      .nullable()
      .describe('The champion; null where no version was promoted.'),
    family: z.string().nullable().describe('The encoder family whose vectors it reads.'),
    label_count: z.int().min(1).nullable(),
  })
  .meta({ id: 'ClassifierModel' })

/** Any model, told apart by `kind`. */
export const modelSchema = z.discriminatedUnion('kind', [
  embeddingModelSchema,
  classifierModelSchema,
])
export type Model = z.infer<typeof modelSchema>

/** Answer of `GET /v1/models`. */
export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ id: 'ModelList' })
export type ModelList = z.infer<typeof modelListSchema>
