import { z } from 'zod'
import { listOf, modelAddressSchema, textSchema } from './inputs.ts'

/** Body of `POST /v1/classify`, the shape of Cohere, for trained classifiers. Unknown keys are ignored. */
export const cohereClassifyRequestSchema = z
  .object({
    inputs: listOf(textSchema).describe('The texts. None may be empty.'),
    model: modelAddressSchema
      .nullish()
      .describe('`name`, `name@alias` or `name@v7`. May be left out where there is one.'),
    truncate: z
      .enum(['NONE', 'START', 'END'])
      .nullish()
      .describe(
        'The end of long texts that is cut; NONE refuses them. Default: as the classifier was trained, else END.',
      ),
    examples: z
      .array(z.unknown())
      .meta({ maxItems: 0 })
      .nullish()
      .describe('Not supported: train a classifier from them.'),
  })
  .meta({ id: 'CohereClassifyRequest' })
export type CohereClassifyRequest = z.infer<typeof cohereClassifyRequestSchema>

const confidenceSchema = z.object({ confidence: z.number().min(0).max(1) })

/** Answer of `POST /v1/classify`, in the order of the inputs. */
export const cohereClassifyResponseSchema = z
  .object({
    id: z.string(),
    classifications: z.array(
      z.object({
        id: z.string(),
        input: z.string(),
        prediction: z.string().optional().describe('Single-label classifiers only.'),
        predictions: z.array(z.string()),
        confidence: z.number().optional().describe('Single-label classifiers only.'),
        confidences: z.array(z.number()),
        labels: z.record(z.string(), confidenceSchema).describe('Every label of the classifier.'),
        classification_type: z.enum(['single-label', 'multi-label']),
      }),
    ),
    meta: z.object({
      api_version: z.object({ version: z.string() }),
      billed_units: z.object({ classifications: z.int() }),
    }),
    model: z.string().describe('Addition: the version that answered, `name@v1`.'),
  })
  .meta({ id: 'CohereClassifyResponse' })
export type CohereClassifyResponse = z.infer<typeof cohereClassifyResponseSchema>
