import { median, passRatios, spread } from '../lib/statistics.ts'

/** A table of a report. */
export interface Table {
  readonly head: readonly string[]
  /** Leading columns that hold words; the others hold numbers. */
  readonly words: number
  readonly rows: readonly (readonly string[])[]
}

/** What one thing measured in every pass. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly passes: readonly number[]
}

/** A quotient that says how good we are; larger is better. Floors are set on these, never on times. */
export interface Ratio {
  /** `part.what.whom`: names a floor. */
  readonly key: string
  /** Median over passes. */
  readonly value: number
  readonly spread: number
}

/** What one part of the bench found. */
export interface PartResult {
  readonly title: string
  /** What was run, and what the columns mean. */
  readonly method: string
  readonly tables: readonly Table[]
  readonly measurements: readonly Measurement[]
  readonly ratios: readonly Ratio[]
  readonly notes: readonly string[]
}

/** The ratio of two samples, pass by pass. */
export function ratioOf(key: string, above: readonly number[], below: readonly number[]): Ratio {
  const quotients = passRatios(above, below)
  return { key, value: median(quotients), spread: spread(quotients) }
}
