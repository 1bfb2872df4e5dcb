import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { EncoderWeights } from '../source/weights.ts'
import type { Site, SiteKind } from '../text/dialect.ts'
import type { Ranges } from './quantize.ts'

/** Digits kept of a range: far above float64 noise, far below what int8 can resolve. */
const RANGE_DIGITS = 4
/** Decimals kept of a mean, in steps of 1/255 of the input's range. */
const MEAN_DECIMALS = 2

/** The linear layers of a transformer layer, in graph order. */
export const SITE_KINDS: readonly SiteKind[] = ['qkv', 'out', 'ffnIn', 'ffnOut']

/**
 * What int8 learned of one linear layer: ranges of its input's channels, the mean of the quantised input
 * (channels that were split included), and how its weights were rounded.
 */
const siteSchema = z.object({
  low: z.array(z.number()),
  high: z.array(z.number()),
  mean: z.array(z.number().min(0).max(255)),
  rounding: z.base64(),
})
export type SiteCalibration = z.infer<typeof siteSchema>

/** The JSON form: all that decides int8 weights, and the sha256 of the texts that it was learned from. */
const calibrationSchema = z.object({
  schema: z.literal(2),
  texts: z.string().regex(/^[0-9a-f]{64}$/),
  sites: z.record(z.string(), siteSchema),
})
export type Calibration = z.infer<typeof calibrationSchema>

/** The name of a site in calibration files and graphs: `layers.0.qkv`. */
export function siteKey(site: Site): string {
  return `layers.${site.layer}.${site.kind}`
}

/** Every site of an encoder, in graph order. */
export function listSites({ layers }: EncoderWeights): Site[] {
  return layers.flatMap((_, layer) => SITE_KINDS.map((kind) => ({ layer, kind })))
}

/** Rounds a range for storage; every machine that measures it gets the same numbers. */
export function roundRange({ low, high }: Ranges): Ranges {
  const round = (values: Float64Array) =>
    values.map((value) => Number(value.toPrecision(RANGE_DIGITS)))
  return { low: round(low), high: round(high) }
}

/** Rounds means of quantised inputs for storage. */
export function roundMean(mean: Float64Array): number[] {
  return Array.from(mean, (value) => Number(value.toFixed(MEAN_DECIMALS)))
}

/**
 * Checks a stored calibration against the encoder that it is for.
 * @throws EspalierError `invalid_model_file` naming the site that is missing or of the wrong width
 */
export function parseCalibration(json: unknown, weights: EncoderWeights): Calibration {
  const parsed = calibrationSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw invalid(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  for (const site of listSites(weights)) {
    const key = siteKey(site)
    const width = weights.layers[site.layer]?.[site.kind].inputs
    const entry = parsed.data.sites[key]
    const sound =
      entry?.low.length === width &&
      entry?.high.length === width &&
      entry?.low.every((low, c) => low <= (entry.high[c] as number))
    if (!sound) throw invalid(`${key} does not hold ${width} ranges`)
  }
  return parsed.data
}

/** The error of a calibration file that does not fit its encoder. */
export function invalid(message: string): EspalierError {
  return new EspalierError('invalid_model_file', `calibration.json: ${message}`)
}
