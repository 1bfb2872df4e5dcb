import type { Domain } from './domain.ts'

/** Added to the diagonal of both covariances (Sun et al. 2016). */
export const CORAL_RIDGE = 1

/** A linear map of standardised rows, applied to row-major [any, columns]. */
export interface Alignment {
  /** X · A. */
  apply(rows: Float64Array): Float64Array
  /** X · Aᵀ. */
  applyTransposed(rows: Float64Array): Float64Array
}

/**
 * CORAL (Sun, Feng and Saenko 2016): A = (Cs + λI)^-½ (Ct + λI)^½ gives the source the covariance of the
 * target. λ = 1 suits standardised rows; on vectors of length 1 it would do nothing.
 */
export function alignDomains(source: Domain, target: Domain, ridge = CORAL_RIDGE): Alignment {
  const whiten = powerOf(source, ridge, -0.5)
  const colour = powerOf(target, ridge, 0.5)
  return {
    apply: (rows) => colour(whiten(rows)),
    applyTransposed: (rows) => whiten(colour(rows)),
  }
}

/** No alignment. */
export const IDENTITY: Alignment = { apply: (rows) => rows, applyTransposed: (rows) => rows }

/** X · (C + λI)^p; outside the span of the domain's rows that is λ^p. */
function powerOf(domain: Domain, ridge: number, exponent: number) {
  const { squares, vectors, columns } = domain.spectrum()
  const rest = ridge ** exponent
  const gains = squares.map(
    (square) => (square / (domain.standard.rows - 1) + ridge) ** exponent - rest,
  )
  return (rows: Float64Array): Float64Array => {
    const out = rows.map((value) => rest * value)
    for (let from = 0; from < rows.length; from += columns) {
      gains.forEach((gain, k) => {
        const at = k * columns
        let product = 0
        for (let j = 0; j < columns; j++) product += rows[from + j]! * vectors[at + j]!
        product *= gain
        for (let j = 0; j < columns; j++) {
          out[from + j] = out[from + j]! + product * vectors[at + j]!
        }
      })
    }
    return out
  }
}
