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
    modality: z.enum(['text', 'image']).describe('What it reads.'),
    dimension: z.int().min(1),
    max_tokens: z.int().min(1).describe('Of a text; what each image counts.'),
    pooling: z.string(),
    precision: z.enum(['float32', 'float16', 'int8']),
    prompts: z.array(z.string()),
    family: z.string(),
    fingerprint: z.string(),
  })
  .meta({ id: 'EmbeddingModel' })

const countSchema = z.int().min(0)

/** What a shadow said beside one version that answered. */
const shadowResultSchema = z.object({
  answered: z.int().min(1).describe('The version that answered.'),
  inputs: countSchema,
  agreed: countSchema.describe('Inputs with the same label.'),
  mean_shift: z.number().nullable().describe("Mean of the shadow's score less that of the answer."),
  mean_absolute_shift: z.number().nullable(),
  changes: z
    .array(
      z.object({
        answered: z.string().nullable(),
        shadow: z.string().nullable(),
        inputs: countSchema,
      }),
    )
    .describe('Labels that the shadow would have changed, most frequent first.'),
})

/** A version that scores a sample of requests without answering them. */
export const shadowSchema = z
  .object({
    version: z.int().min(1),
    sample_percent: z.number(),
    results: z
      .array(shadowResultSchema)
      .optional()
      .describe('Since this process serves it; for administrators, of one model.'),
    skipped: z
      .record(z.enum(['queue', 'busy', 'loading', 'failed']), countSchema)
      .optional()
      .describe('Sampled requests that were not scored, by reason.'),
  })
  .meta({ id: 'Shadow' })

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
    traffic: z
      .array(z.object({ version: z.int().min(1), percent: z.int() }))
      .nullable()
      .describe(
        'Shares of the requests for the unqualified name; null where the champion has all.',
      ),
    shadow: shadowSchema.nullable(),
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
