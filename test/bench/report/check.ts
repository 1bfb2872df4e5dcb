import { z } from 'zod'
import type { Ratio, Table } from './part-result.ts'
import { fixed } from './table.ts'

/** What a ratio must not fall under, and what it is to reach. */
export interface Floor {
  readonly floor: number
  readonly target?: number | undefined
}

/** A floor and what was found for it; `found` is null where the run did not measure it. */
export interface FloorResult {
  readonly key: string
  readonly floor: number
  readonly target: number | null
  readonly found: number | null
  readonly verdict: 'held' | 'fallen' | 'not measured'
}

/** Fifteen percent are noise. */
const FLOOR_SHARE = 0.85

const floorsSchema = z.record(
  z.string(),
  z.object({ floor: z.number().positive(), target: z.number().positive().optional() }),
)

/** Reads test/bench/floors.json. @throws ZodError */
export function parseFloors(json: string): Readonly<Record<string, Floor>> {
  return floorsSchema.parse(JSON.parse(json))
}

/** Compares what was found with the floors, in the order of the floors. */
export function checkFloors(
  floors: Readonly<Record<string, Floor>>,
  ratios: readonly Ratio[],
): FloorResult[] {
  return Object.entries(floors).map(([key, { floor, target = null }]) => {
    const found = ratios.find((ratio) => ratio.key === key)?.value ?? null
    if (found === null) return { key, floor, target, found, verdict: 'not measured' }
    // Written so that a ratio that is no number falls.
    return { key, floor, target, found, verdict: found >= floor ? 'held' : 'fallen' }
  })
}

/** The sentence that ends a check: what fell, or how many held. */
export function summarizeCheck(results: readonly FloorResult[]): {
  readonly passed: boolean
  readonly text: string
} {
  const fallen = results.filter(({ verdict }) => verdict === 'fallen')
  const held = results.filter(({ verdict }) => verdict === 'held').length
  if (fallen.length > 0) {
    const each = fallen.map(({ key, found, floor }) => `${key} ${fixed(found, 2)} < ${floor}`)
    return { passed: false, text: `fallen under their floors: ${each.join(', ')}` }
  }
  // A check of nothing must not look like a good one.
  if (held === 0) return { passed: false, text: 'no ratio with a floor was measured' }
  const rest = results.length - held
  return { passed: true, text: `${held} ratios at or over their floors, ${rest} not measured` }
}

/**
 * Floors as they should stand after a run: `FLOOR_SHARE` of what was found, at most the target. Floors that the
 * run did not measure stay; ratios without a floor get none.
 */
export function recordFloors(
  floors: Readonly<Record<string, Floor>>,
  ratios: readonly Ratio[],
): Readonly<Record<string, Floor>> {
  const record = ([key, known]: [string, Floor]): [string, Floor] => {
    const found = ratios.find((ratio) => ratio.key === key)
    const share = FLOOR_SHARE * (found?.value ?? Number.NaN)
    if (!(share > 0)) return [key, known]
    const floor = Math.min(share, known.target ?? Number.POSITIVE_INFINITY)
    return [key, { ...known, floor: Number(floor.toFixed(2)) }]
  }
  return Object.fromEntries(Object.entries(floors).map(record))
}

/** The floors as test/bench/floors.json holds them, one a line. */
export function formatFloors(floors: Readonly<Record<string, Floor>>): string {
  const lines = Object.entries(floors).map(([key, { floor, target }]) => {
    const goal = target === undefined ? '' : `, "target": ${target}`
    return `  ${JSON.stringify(key)}: { "floor": ${floor}${goal} }`
  })
  return `{\n${lines.join(',\n')}\n}\n`
}

/** Floors that were measured, as a table. */
export function floorTable(results: readonly FloorResult[]): Table {
  return {
    head: ['ratio', 'result', 'found', 'floor', 'target'],
    words: 2,
    rows: results.map(({ key, verdict, found, floor, target }) => [
      `\`${key}\``,
      verdict,
      fixed(found, 2),
      fixed(floor, 2),
      fixed(target, 2),
    ]),
  }
}
