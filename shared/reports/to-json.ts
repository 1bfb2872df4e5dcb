import { REPORT_SCHEMA, type TrainingReport } from './types.ts'

/** A value that JSON can carry. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [key: string]: JsonValue }

const KEY_ORDER = [
  'name',
  'created',
  'dataset',
  'split',
  'encoder',
  'labels',
  'multiLabel',
  'method',
  'layers',
  'candidates',
  'crossValidation',
  'repeatedCrossValidation',
  'baselines',
  'test',
  'outOfDistribution',
  'champion',
  'sizes',
  'timings',
  'seed',
  'command',
] as const satisfies readonly (keyof TrainingReport)[]

/** The report as a JSON value: `schema` first, keys in a fixed order, those not named above last, no number that is not finite. */
export function toJsonValue(report: TrainingReport): { [key: string]: JsonValue } {
  const out: { [key: string]: JsonValue } = { schema: REPORT_SCHEMA }
  const others = (Object.keys(report) as (keyof TrainingReport)[]).filter(
    (key) => !(KEY_ORDER as readonly string[]).includes(key),
  )
  for (const key of [...KEY_ORDER, ...others.sort()]) {
    if (report[key] !== undefined) out[key] = clean(report[key])
  }
  return out
}

/** The report as JSON text; equal reports give equal bytes, whatever order their keys were set in. */
export function toJson(report: TrainingReport): string {
  return `${JSON.stringify(toJsonValue(report), null, 2)}\n`
}

function clean(value: unknown): JsonValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  // Adding zero turns -0 into 0, so that a sign nobody sees changes no bytes.
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (value === null || typeof value !== 'object') return null
  if (Array.isArray(value)) return value.map(clean)
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return Object.fromEntries(entries.map(([key, member]) => [key, clean(member)]))
}
