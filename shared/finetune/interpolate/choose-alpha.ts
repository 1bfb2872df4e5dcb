/** What a head on the vectors of blended weights makes of rows that neither has learnt. */
export interface JudgedAlpha {
  readonly alpha: number
  /** Shape [rows]: 1 where the answer is right. */
  readonly right: Uint8Array
}

/** One blend beside the base, on the same rows. */
export interface AlphaScore {
  readonly alpha: number
  readonly accuracy: number
  /** Accuracy less the base's, and the standard error of that paired difference. */
  readonly gain: number
  readonly error: number
}

/** The blend that is kept, and what it was chosen from. */
export interface AlphaChoice {
  /** 0 where nothing beats the base. */
  readonly alpha: number
  readonly scores: readonly AlphaScore[]
}

/** Standard errors that a gain on few rows must exceed: a paired 95 % interval. */
const CLEAR_ERRORS = 2

/**
 * Chooses among blends in ascending order, the base first. On many rows the most accurate, the smaller of equal
 * ones. On few (`cautious`) the base, unless the best beats it by two standard errors; then the smallest blend within
 * one standard error of the best (Breiman et al., 1984, "Classification and regression trees", section 3.4.3).
 */
export function chooseAlpha(
  judged: readonly JudgedAlpha[],
  { cautious }: { readonly cautious: boolean },
): AlphaChoice {
  const [base] = judged
  if (base === undefined) throw new RangeError('no blend to choose from')
  const scores = judged.map(({ alpha, right }) => {
    const { difference, error } = compareRows(right, base.right)
    return { alpha, accuracy: shareOf(right), gain: difference, error }
  })
  const best = judged.reduce((a, b) => (shareOf(b.right) > shareOf(a.right) ? b : a))
  if (!cautious) return { alpha: best.alpha, scores }
  const lead = compareRows(best.right, base.right)
  if (lead.difference <= CLEAR_ERRORS * lead.error) return { alpha: base.alpha, scores }
  const near = judged.slice(1).find(({ right }) => {
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
