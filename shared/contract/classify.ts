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

const share = z.number().min(0).max(1)

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
    thresholds: z
      .union([share, z.record(z.string(), share)])
      .nullish()
      .describe(
        'Scores that labels must reach: one for all, or those of some labels, which go before `threshold`; all others keep theirs. Default: those of the classifier.',
      ),
    min_score: share
      .nullish()
      .describe(
        "Score from which an answer is given; below it `abstained` is true. Default: the classifier's own, where it was trained with one.",
      ),
    prediction_set: z
      .object({
        coverage: z
          .number()
          .min(0.5)
          .max(0.999)
          .describe('Share of inputs like the training data whose set holds the true label.'),
        by_label: z
          .boolean()
          .nullish()
          .describe('Hold it for the inputs of each label, and not only for all. Default false.'),
      })
      .nullish()
      .describe(
        'Add to each prediction the labels that hold the true one with this probability. For classifiers with one label an input.',
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

const predictionSetSchema = z.object({
  labels: z
    .array(labelScoreSchema)
    .describe('Best first; none where even the best is less likely than true labels are.'),
  coverage: z.number(),
  by_label: z.boolean(),
  too_few_rows: z
    .int()
    .min(0)
    .describe('Labels that stand in every set, as too few rows of them were held out.'),
})

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
    abstained: z
      .boolean()
      .optional()
      .describe(
        'True where the score is below that from which answers are given, or the input unlike the training data. Absent where there is no such score.',
      ),
    prediction_set: predictionSetSchema.optional().describe('Where asked for.'),
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
