import type { AlphaScore } from '../types.ts'

/** What a head on the vectors of interpolated weights makes of rows that neither has learnt. */
export interface EvaluatedAlpha {
  readonly alpha: number
  /** Shape [rows]: 1 where the answer is right. */
  readonly right: Uint8Array
}

/** The alpha that is kept, and what it was chosen from. */
export interface AlphaChoice {
  /** 0 where nothing beats the base. */
  readonly alpha: number
  readonly scores: readonly AlphaScore[]
}

/** Standard errors that a gain on few rows must exceed: a paired 95 % interval. */
const CLEAR_ERRORS = 2

/**
 * Chooses among alphas in ascending order, the base (0) first. On many rows the most accurate, the smaller of equal
 * ones. On few (`cautious`) the base, unless the best beats it by two standard errors; then the smallest alpha within
 * one standard error of the best (Breiman et al., 1984, "Classification and regression trees", section 3.4.3).
 */
export function chooseAlpha(
  evaluated: readonly EvaluatedAlpha[],
  { cautious }: { readonly cautious: boolean },
): AlphaChoice {
  const [base] = evaluated
  if (base === undefined) throw new RangeError('no alpha to choose from')
  const scores = evaluated.map(({ alpha, right }) => {
    const { difference, error } = compareRows(right, base.right)
    return { alpha, accuracy: shareOf(right), gain: difference, error }
  })
  const best = evaluated.reduce((a, b) => (shareOf(b.right) > shareOf(a.right) ? b : a))
  if (!cautious) return { alpha: best.alpha, scores }
  const lead = compareRows(best.right, base.right)
  if (lead.difference <= CLEAR_ERRORS * lead.error) return { alpha: base.alpha, scores }
  const near = evaluated.slice(1).find(({ right }) => {
    const behind = compareRows(best.right, right)
    return behind.difference <= behind.error
  })
  return { alpha: (near ?? best).alpha, scores }
}

/** Mean of the differences row by row, and its standard error. */
function compareRows(a: Uint8Array, b: Uint8Array): { difference: number; error: number } {
  const rows = a.length
  let sum = 0
  let squares = 0
  for (let row = 0; row < rows; row++) {
    const difference = (a[row] as number) - (b[row] as number)
    sum += difference
    squares += difference * difference
  }
  const difference = sum / rows
  const variance = Math.max(0, squares - rows * difference * difference) / Math.max(1, rows - 1)
  return { difference, error: Math.sqrt(variance / rows) }
}

function shareOf(right: Uint8Array): number {
  return right.reduce((sum, one) => sum + one, 0) / right.length
}
