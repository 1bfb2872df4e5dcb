import { z } from 'zod'

/** The file name of a head in a version's files, and beside the encoder that it came with. */
export const HEAD_FILE = 'head.bin'

const MAX_LABELS = 100_000
const MAX_DIMENSION = 8_192

const positive = z.number().positive().finite()
/** The JSON header of a head file: everything but the blocks of numbers. */
export const headHeaderSchema = z.strictObject({
  family: z.string().max(1_024),
  dimension: z.int().min(1).max(MAX_DIMENSION),
  /** Absent for the usual unit vectors. */
  reads: z.literal('pooled').optional(),
  /** How long texts are read; absent for those that are cut at the right. Of layout 2. */
  reading: z
    .strictObject({
      truncationDirection: z.enum(['left', 'right']),
      windows: z.enum(['mean', 'max']).nullable(),
    })
    .optional(),
  labels: z.array(z.string()).min(1).max(MAX_LABELS),
  activation: z.enum(['softmax', 'sigmoid']),
  temperature: positive,
  memory: z
    .strictObject({ k: z.int().min(1), temperature: positive, weight: z.number().min(0).max(1) })
    .nullable(),
  detector: z.strictObject({ threshold: z.number() }).nullable(),
  blocks: z
    .array(
      z.strictObject({
        name: z.string().max(64),
        type: z.enum(['float32', 'float16', 'int32', 'int8']),
        length: z.int().min(0),
      }),
    )
    .max(16),
})
export type HeadHeader = z.infer<typeof headHeaderSchema>
