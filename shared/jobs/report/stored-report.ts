import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { REPORT_SCHEMA, TrainingReport } from '../../reports/types.ts'

/** The form that this release reads. */
const READ_SCHEMA: typeof REPORT_SCHEMA = 1

const measure = z.number().nullable()
const interval = z.looseObject({ low: z.number(), high: z.number() })

const testSchema = z.looseObject({
  rows: z.number(),
  accuracy: measure,
  interval: interval.nullable(),
  macroF1: measure,
  ece: measure,
  nll: measure,
  perClass: z.array(
    z.looseObject({
      label: z.string(),
      precision: measure,
      recall: measure,
      f1: measure,
      support: z.number(),
    }),
  ),
  reliability: z.array(
    z.looseObject({
      low: z.number(),
      high: z.number(),
      count: z.number(),
      confidence: measure,
      accuracy: measure,
    }),
  ),
  confusions: z.array(
    z.looseObject({ actual: z.number(), predicted: z.number(), count: z.number() }),
  ),
  worstConfusions: z.array(
    z.looseObject({
      actual: z.string(),
      predicted: z.string(),
      count: z.number(),
      examples: z.array(z.string()),
    }),
  ),
})

/** What every report has had since the first; parts that came later are passed on as they are. */
const reportSchema = z.looseObject({
  name: z.string(),
  created: z.string(),
  dataset: z.looseObject({
    source: z.string(),
    rows: z.number(),
    examples: z.number(),
    classCounts: z.array(z.looseObject({ label: z.string(), count: z.number() })),
    warnings: z.array(z.looseObject({ code: z.string(), message: z.string() })),
    sha256: z.string(),
  }),
  split: z.looseObject({
    kind: z.string(),
    source: z.string().nullable(),
    trainRows: z.number(),
    testRows: z.number(),
  }),
  encoder: z.looseObject({
    model: z.string(),
    family: z.string(),
    fingerprint: z.string(),
    precision: z.string(),
  }),
  labels: z.array(z.string()),
  multiLabel: z.boolean(),
  method: z.looseObject({ name: z.string(), why: z.string() }),
  candidates: z.array(
    z.looseObject({
      name: z.string(),
      accuracy: measure,
      nll: measure,
      parameters: z.record(z.string(), z.unknown()),
    }),
  ),
  crossValidation: z.looseObject({ accuracy: measure, nll: measure, ece: measure }).nullable(),
  test: testSchema.nullable(),
  outOfDistribution: z.looseObject({ threshold: z.number(), keepRate: measure }).nullable(),
  champion: z
    .looseObject({
      model: z.string(),
      accuracy: measure,
      macroF1: measure,
      difference: z.number(),
      low: z.number(),
      high: z.number(),
    })
    .nullable(),
  sizes: z.looseObject({ headBytes: z.number(), neighbourRows: z.number() }),
  timings: z.array(z.looseObject({ stage: z.string(), milliseconds: z.number() })),
  seed: z.number(),
  command: z.string(),
})

/**
 * Reads a `report.json` of this release or an earlier one.
 * @param of what the version is called, for messages
 * @throws EspalierError `unsupported_schema` of a later form, `invalid_data` of anything else
 */
export function parseStoredReport(text: string, of: string): TrainingReport {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new EspalierError('invalid_data', `the report of ${of} is no JSON`)
  }
  const schema = z.looseObject({ schema: z.number() }).safeParse(value)
  if (schema.success && schema.data.schema > READ_SCHEMA) {
    throw new EspalierError(
      'unsupported_schema',
      `the report of ${of} has form ${schema.data.schema}, this release reads ${READ_SCHEMA}: use a later release`,
    )
  }
  const found = reportSchema.safeParse(value)
  if (!schema.success || !found.success) {
    const issue = found.error?.issues[0]
    const where = issue === undefined ? 'schema' : issue.path.join('.') || 'the whole'
    const message = `the report of ${of} is not one of a training: ${where} is missing or of another kind`
    throw new EspalierError('invalid_data', message)
  }
  return found.data as unknown as TrainingReport
}
