import type { Products } from './products.ts'

/** Where nothing varies, in squared steps of the input. */
const MIN_DAMPING = 1e-6
/** Rows that are worked out one by one; those after them take up a whole panel in one product. */
const PANEL = 32

/** H = Rᵀ·D·R with R upper triangular and ones on its diagonal. */
export interface Factor {
  readonly size: number
  /** R by rows; what is on and below the diagonal means nothing. */
  readonly rows: Float64Array
  /** D: what one squared unit of a channel's remaining error costs. */
  readonly weights: Float64Array
}

/** Channels by rising variance, ties by index: the last is rounded first. */
export function orderByVariance(covariance: Float64Array, size: number): Int32Array {
  const variance = (c: number) => covariance[c * size + c] as number
  const order = Int32Array.from({ length: size }, (_, c) => c)
  return order.sort((a, b) => variance(a) - variance(b) || a - b)
}

/**
 * Cholesky decomposition, in panels, of the covariance [size, size] with its channels in the given order and a
 * share of the mean variance added to each one's own. R says how the error of a channel moves the best value of
 * each channel before it.
 */
export async function factorize(
  covariance: Float64Array,
  size: number,
  order: Int32Array,
  share: number,
  products: Products,
): Promise<Factor> {
  let trace = 0
  for (let c = 0; c < size; c++) trace += covariance[c * size + c] as number
  const damping = Math.max((share * trace) / size, MIN_DAMPING)
  const rows = new Float64Array(size * size)
  const weights = new Float64Array(size)
  for (let k = 0; k < size; k++) {
    const source = (order[k] as number) * size
    for (let i = k; i < size; i++) {
      rows[k * size + i] = covariance[source + (order[i] as number)] as number
    }
    rows[k * size + k] = (rows[k * size + k] as number) + damping
  }
  for (let first = 0; first < size; first += PANEL) {
    const to = Math.min(first + PANEL, size)
    if (first > 0) await subtractPanels(rows, weights, size, first, to, products)
    factorizePanel(rows, weights, size, { first, to, damping })
  }
  return { size, rows, weights }
}

/** Takes away from rows [first, to) what the finished rows before them explain. */
async function subtractPanels(
  rows: Float64Array,
  weights: Float64Array,
  size: number,
  first: number,
  to: number,
  products: Products,
): Promise<void> {
  const scaled = new Float64Array((to - first) * first)
  for (let k = first; k < to; k++) {
    for (let m = 0; m < first; m++) {
      scaled[(k - first) * first + m] = (rows[m * size + k] as number) * (weights[m] as number)
    }
  }
  const explained = await products.multiply(
    { data: scaled, rows: to - first, columns: first },
    { data: rows.subarray(0, first * size), rows: first, columns: size },
  )
  for (let k = first; k < to; k++) {
    for (let i = k; i < size; i++) {
      const at = k * size + i
      rows[at] = (rows[at] as number) - (explained[(k - first) * size + i] as number)
    }
  }
}

function factorizePanel(
  rows: Float64Array,
  weights: Float64Array,
  size: number,
  { first, to, damping }: { first: number; to: number; damping: number },
): void {
  for (let k = first; k < to; k++) {
    for (let m = first; m < k; m++) {
      const factor = (rows[m * size + k] as number) * (weights[m] as number)
      if (factor === 0) continue
      for (let i = k; i < size; i++) {
        rows[k * size + i] =
          (rows[k * size + i] as number) - factor * (rows[m * size + i] as number)
      }
    }
    const pivot = Math.max(rows[k * size + k] as number, damping)
    weights[k] = pivot
    for (let i = k; i < size; i++) rows[k * size + i] = (rows[k * size + i] as number) / pivot
  }
}
