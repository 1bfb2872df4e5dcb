import { EspalierError } from '../../lib/errors.ts'
import type { Features } from '../numerics/features.ts'
import { decompose, type Spectrum } from '../numerics/spectrum.ts'

/** Numbers of one domain, as float64: 1 GiB. */
const MAX_CELLS = 2 ** 27

/** Rows of one domain, standardised by its own means and deviations. */
export interface Domain {
  /** Shape [columns]. */
  readonly mean: Float64Array
  /** Shape [columns]: population standard deviations, 0 where a column never varies. */
  readonly deviation: Float64Array
  /** (x - mean) / deviation, 0 where a column never varies. */
  readonly standard: Features
  /** Singular values of the standardised rows, computed on first use and then kept. */
  spectrum(): Spectrum
}

/**
 * Standardises the rows of a domain.
 * @throws EspalierError `invalid_data` without two rows, for numbers that are not finite, or for too many of them
 */
export function describeDomain(name: string, { data, rows, columns }: Features): Domain {
  const fail = (message: string): EspalierError =>
    new EspalierError('invalid_data', `${name}: ${message}`, { param: name })
  if (rows < 2) throw fail(`${rows} rows; a domain needs two at least`)
  if (data.length > MAX_CELLS) {
    throw fail(`${rows} rows of ${columns} numbers are too many; adapt on a sample`)
  }
  const at = data.findIndex((value) => !Number.isFinite(value))
  if (at >= 0) throw fail(`row ${Math.floor(at / columns)} has a number that is not finite`)
  const mean = new Float64Array(columns)
  for (let i = 0; i < data.length; i++) mean[i % columns] = mean[i % columns]! + data[i]! / rows
  const deviation = new Float64Array(columns)
  for (let i = 0; i < data.length; i++) {
    const j = i % columns
    deviation[j] = deviation[j]! + (data[i]! - mean[j]!) ** 2 / rows
  }
  for (let j = 0; j < columns; j++) deviation[j] = Math.sqrt(deviation[j]!)
  // Rounding leaves a little of a column that is one number throughout.
  for (let j = 0; j < columns; j++) {
    if (deviation[j]! <= 1e-12 * Math.abs(mean[j]!)) deviation[j] = 0
  }
  const out = new Float64Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const j = i % columns
    out[i] = deviation[j] === 0 ? 0 : (data[i]! - mean[j]!) / deviation[j]!
  }
  const standard = { data: out, rows, columns }
  let spectrum: Spectrum | undefined
  return {
    mean,
    deviation,
    standard,
    spectrum() {
      spectrum ??= decompose(standard)
      return spectrum
    },
  }
}

/** How far the means of two domains lie apart: root mean square over columns, in deviations of the source. */
export function meanShift(source: Domain, target: Domain): number {
  let sum = 0
  let count = 0
  source.deviation.forEach((deviation, j) => {
    if (deviation === 0) return
    sum += ((target.mean[j]! - source.mean[j]!) / deviation) ** 2
    count++
  })
  return Math.sqrt(sum / Math.max(count, 1))
}
