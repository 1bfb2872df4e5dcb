import { z } from 'zod'

const MAX_LABELS = 100_000

const count = z.int().min(0)

/** What answers that are as they should be looked like, to compare later ones with. */
const referenceSchema = z.object({
  /** Test rows, those and the rows of a cross-validation, or answers in use. */
  source: z.enum(['test', 'held-out', 'use']),
  rows: z.int().min(1),
  /** Rows whose answer has each label, in the order of the head's labels. */
  labels: z.array(count).min(1).max(MAX_LABELS),
  /** Rows whose answer has none. */
  none: count,
  /** Rows by their best score, in the bins that are counted in use. */
  scores: z.array(count).min(2).max(100),
  scoreSum: z.number().min(0),
  /** Rows that the detector was asked about, and those it took for in distribution; null where there is none. */
  inDistribution: z.object({ rows: z.int().min(1), inside: count }).nullable(),
})

const share = z.number().min(0).max(1)

/** True labels' probabilities at fixed places, the lowest first. */
const heldOutSchema = z.object({
  rows: count,
  lowest: z.array(share).refine(isAscending, 'not in order'),
})

/** What prediction sets are cut by. */
const setsSchema = heldOutSchema.extend({ byLabel: z.array(heldOutSchema).min(1).max(MAX_LABELS) })

/** From which score on answers are right with a stated precision. */
const abstentionSchema = z.object({
  precision: share,
  minScore: share,
  /** Held-out rows, and those among them that are answered. */
  rows: z.int().min(1),
  answered: z.int().min(1),
  /** Right ones of those. */
  right: count,
})

function isAscending(values: readonly number[]): boolean {
  return values.every((value, at) => at === 0 || value >= values[at - 1]!)
}

/** The JSON of `answers.json`: what a version knows of its answers beside the head. Unknown parts are left alone. */
export const answersFileSchema = z.object({
  schema: z.int().min(1),
  reference: referenceSchema.optional(),
  sets: setsSchema.optional(),
  abstention: abstentionSchema.optional(),
})
export type AnswersFile = z.infer<typeof answersFileSchema>
export type AbstentionFacts = z.infer<typeof abstentionSchema>
export type AnswerReference = z.infer<typeof referenceSchema>
