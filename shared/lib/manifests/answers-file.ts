import { z } from 'zod'

const MAX_LABELS = 100_000

const count = z.int().min(0)

/** What the answers to rows that were not learnt looked like, to compare later ones with. */
const referenceSchema = z.object({
  rows: z.int().min(1),
  /** Rows whose answer has each label, in the order of the head's labels. */
  labels: z.array(count).min(1).max(MAX_LABELS),
  /** Rows by their best score, in bins of equal width from 0 to 1. */
  scores: z.array(count).min(2).max(100),
  /** Rows that the detector was asked about, and those it took for in distribution; null where there is none. */
  inDistribution: z.object({ rows: z.int().min(1), inside: count }).nullable(),
})

/** The JSON of `answers.json`: what a version knows of its answers beside the head. Unknown parts are left alone. */
export const answersFileSchema = z.object({
  schema: z.int().min(1),
  reference: referenceSchema.optional(),
})
export type AnswersFile = z.infer<typeof answersFileSchema>
export type AnswerReference = z.infer<typeof referenceSchema>
