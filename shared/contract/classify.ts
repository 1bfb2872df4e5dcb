import { z } from 'zod'
import { inputsSchema, modelAddressSchema, positiveIntSchema } from './inputs.ts'

/** Labels listed with each prediction where `top_k` is left out. */
export const DEFAULT_TOP_K = 5
/** Most classifiers of one request. */
export const MAX_MODELS = 100

const classifierSchema = z
  .union([
    modelAddressSchema,
    z.array(modelAddressSchema).meta({ minItems: 1, maxItems: MAX_MODELS }),
  ])
  .describe(
    `A classifier or a list of at most ${MAX_MODELS}: \`name\`, \`name@alias\` or \`name@v7\`. May be left out where there is one.`,
  )

/** Body of `POST /classify`. Unknown keys are ignored. */
export const classifyRequestSchema = z
  .object({
    inputs: inputsSchema,
    model: classifierSchema.nullish(),
    top_k: positiveIntSchema
      .nullish()
      .describe(`Labels to list with each prediction. Default ${DEFAULT_TOP_K}.`),
    threshold: z
      .number()
      .min(0)
      .max(1)
      .nullish()
      .describe(
        'Score that a label must reach; else `label` is null. Default: that of the classifier.',
      ),
    truncate: z
      .boolean()
      .nullish()
      .describe('Cut texts longer than the encoder reads; false refuses them. Default true.'),
    truncation_direction: z
      .enum(['left', 'right'])
      .nullish()
      .describe(
        'The end of long texts that is cut away. Default: as the classifier was trained, else right.',
      ),
    return_embeddings: z
      .boolean()
      .nullish()
      .describe(
        'Add the embedding of each input; refused where the classifiers read different encoders. Default false.',
      ),
  })
  .meta({ id: 'ClassifyRequest' })
export type ClassifyRequest = z.infer<typeof classifyRequestSchema>

const labelScoreSchema = z.object({ label: z.string(), score: z.number().min(0).max(1) })

/** What one classifier says of one input. */
export const classPredictionSchema = z
  .object({
    model: z.string().describe('The version that answered, `name@v1`.'),
    label: z.string().nullable().describe('The best label; null where none reaches its threshold.'),
    score: z.number().describe("The best label's probability."),
    labels: z.array(labelScoreSchema).describe('Best first.'),
    in_distribution: z
      .boolean()
      .nullable()
      .describe('False for inputs unlike the training data; null without a detector.'),
    ood_score: z
      .number()
      .nullable()
      .describe('Distance from the training data: relative Mahalanobis, higher is further.'),
  })
  .meta({ id: 'ClassPrediction' })
export type ClassPrediction = z.infer<typeof classPredictionSchema>

/** Answer of `POST /classify`, in the order of the inputs; predictions in the order of the models. */
export const classifyResponseSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        index: z.int().min(0),
        predictions: z.array(classPredictionSchema),
        embedding: z.array(z.number()).optional(),
      }),
    ),
    usage: z.object({ prompt_tokens: z.int().min(0), total_tokens: z.int().min(0) }),
  })
  .meta({ id: 'ClassifyResponse' })
export type ClassifyResponse = z.infer<typeof classifyResponseSchema>

/** Optional request header: requests with the same key get the same version of a traffic split. */
export const ROUTE_KEY_HEADER = 'x-route-key'
