import { z } from 'zod'
import { EspalierError } from '../lib/errors.ts'
import type { Site, SiteKind } from './encoder-graph.ts'
import type { Ranges } from './quantize.ts'
import type { EncoderWeights } from './weights.ts'

/** Digits kept of a range: far above float64 noise, far below what int8 can resolve. */
const RANGE_DIGITS = 4

export const SITE_KINDS: readonly SiteKind[] = ['qkv', 'out', 'ffnIn', 'ffnOut']

/** The JSON form: rounded ranges by site, and the sha256 of the texts that they were measured on. */
const calibrationSchema = z.object({
  schema: z.literal(1),
  texts: z.string().regex(/^[0-9a-f]{64}$/),
  ranges: z.record(z.string(), z.object({ low: z.array(z.number()), high: z.array(z.number()) })),
})
export type Calibration = z.infer<typeof calibrationSchema>

/** The name of a site in calibration files and graphs: `layers.0.qkv`. */
export function siteKey(site: Site): string {
  return `layers.${site.layer}.${site.kind}`
}

/** Every site of an encoder, in graph order, with the width of its input. */
export function listSites({ layers }: EncoderWeights): { site: Site; width: number }[] {
  return layers.flatMap((weights, layer) =>
    SITE_KINDS.map((kind) => ({ site: { layer, kind }, width: weights[kind].inputs })),
  )
}

/** Rounds ranges for storage; every machine that measures them gets the same numbers. */
export function roundRanges(ranges: ReadonlyMap<string, Ranges>, texts: string): Calibration {
  const round = (values: Float64Array) =>
    Array.from(values, (value) => Number(value.toPrecision(RANGE_DIGITS)))
  const entries = [...ranges].map(([key, { low, high }]) => [
    key,
    { low: round(low), high: round(high) },
  ])
  return { schema: 1, texts, ranges: Object.fromEntries(entries) }
}

/**
 * Checks stored ranges against the encoder that they are for.
 * @throws EspalierError `invalid_model_file` naming the site that is missing or of the wrong width
 */
export function parseCalibration(json: unknown, weights: EncoderWeights): Map<string, Ranges> {
  const parsed = calibrationSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new EspalierError(
      'invalid_model_file',
      `calibration.json: ${issue?.path.join('.')}: ${issue?.message}`,
    )
  }
  const ranges = new Map<string, Ranges>()
  for (const { site, width } of listSites(weights)) {
    const key = siteKey(site)
    const entry = parsed.data.ranges[key]
    const sound =
      entry?.low.length === width &&
      entry.high.length === width &&
      entry.low.every((low, c) => low <= (entry.high[c] as number))
    if (!entry || !sound) {
      throw new EspalierError(
        'invalid_model_file',
        `calibration.json: ${key} does not hold ${width} ranges`,
      )
    }
    ranges.set(key, { low: Float64Array.from(entry.low), high: Float64Array.from(entry.high) })
  }
  return ranges
}
