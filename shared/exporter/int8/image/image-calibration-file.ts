import { z } from 'zod'
import type { ImagePreprocessing } from '../../../lib/manifests/image-preprocessing.ts'
import { invalid } from '../calibration-file.ts'
import type { Bounds, ConvolutionPlan, ConvolutionSite } from './convolution-sites.ts'

const siteSchema = z.object({
  /** What rounding did to the mean of each output, in steps of its sum. */
  shift: z.array(z.int()),
  rounding: z.base64(),
})
export type ConvolutionCalibration = z.infer<typeof siteSchema>

/** The JSON form: all that decides int8 weights and steps, and the sha256 of the images that it was learned from. */
const calibrationSchema = z.object({
  schema: z.literal(1),
  /** Files of the first version have this name for it. */
  pictures: z.string().regex(/^[0-9a-f]{64}$/),
  /** Smallest and largest number of each value, by its name in the graph. */
  ranges: z.record(z.string(), z.tuple([z.number(), z.number()])),
  /** By the name of the value that a convolution makes. */
  sites: z.record(z.string(), siteSchema),
})
export type ImageCalibration = z.infer<typeof calibrationSchema>

/** How a value is held in uint8: value = step · (q - zero). */
export interface Grid {
  /** A float32. */
  readonly step: number
  readonly zero: number
}

const LEVELS = 255
/** Keeps a value that never moves away from division by zero. */
const MIN_SPREAD = 1e-6

/** Values whose ranges are measured: those in uint8, and what other operators hand to convolutions. */
export function listRanged(plan: ConvolutionPlan, input: string): string[] {
  const read = [...plan.sites.values()].map((site) => site.input)
  return [...new Set([...read, ...plan.bounds.keys()])].filter((name) => name !== input)
}

/**
 * The grids of all values: of an image by what its preparation can give, of others by their measured range. Zero,
 * which convolutions pad with, is on each grid; an activation's bound is the end of its grid.
 */
export function planGrids(
  plan: ConvolutionPlan,
  input: string,
  preprocessing: ImagePreprocessing,
  ranges: ImageCalibration['ranges'],
): Map<string, Grid> {
  const { scale, mean, std } = preprocessing
  const ends = mean.flatMap((offset, c) =>
    [0, LEVELS].map((value) => (value * scale - offset) / (std[c] as number)),
  )
  const grids = new Map([[input, createGrid(Math.min(...ends), Math.max(...ends))]])
  for (const name of listRanged(plan, input)) {
    const [low, high] = ranges[name] as [number, number]
    const bounds: Bounds = plan.bounds.get(name) ?? { low, high }
    grids.set(name, createGrid(Math.max(low, bounds.low), Math.min(high, bounds.high)))
  }
  for (const [node, output] of plan.passing) {
    if (node.op === 'MaxPool') grids.set(output, grids.get(node.inputs[0] as string) as Grid)
  }
  return grids
}

function createGrid(low: number, high: number): Grid {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)]
  const step = Math.fround(Math.max(to - from, MIN_SPREAD) / LEVELS)
  return { step, zero: Math.min(LEVELS, Math.round(-from / step)) }
}

/**
 * Checks a stored calibration against the graph that it is for; it may be of more than that.
 * @throws EspalierError `invalid_model_file` naming the value that is missing or of the wrong width
 */
export function parseImageCalibration(
  json: unknown,
  plan: ConvolutionPlan,
  input: string,
): ImageCalibration {
  const parsed = calibrationSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw invalid(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { ranges, sites } = parsed.data
  for (const name of listRanged(plan, input)) {
    const range = ranges[name]
    if (!range || range[0] > range[1]) throw invalid(`there is no range of ${name}`)
  }
  for (const { output, outputs } of plan.sites.values()) {
    if (sites[output]?.shift.length === outputs) continue
    throw invalid(`${output} does not hold ${outputs} shifts`)
  }
  return parsed.data
}

/** The part of a calibration that a graph uses, in the order of the graph: what decides its bits. */
export function narrowCalibration(
  { schema, pictures, ranges, sites }: ImageCalibration,
  plan: ConvolutionPlan,
  input: string,
): ImageCalibration {
  const all: readonly ConvolutionSite[] = [...plan.sites.values()]
  return {
    schema,
    pictures,
    ranges: Object.fromEntries(
      listRanged(plan, input).map((name) => [name, ranges[name] as [number, number]]),
    ),
    sites: Object.fromEntries(
      all.map(({ output }) => [output, sites[output] as ConvolutionCalibration]),
    ),
  }
}
