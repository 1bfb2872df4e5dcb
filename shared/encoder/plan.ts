import type { GroupingLimits } from '../runtime/grouping.ts'

/** A smaller job is not worth a second worker, nor the way there and back. */
const MIN_JOB_TOKENS = 64

/** A long job holds so many runs: the worker, which counts tokens, finds texts of equal length among more of them. */
const LONG_JOB_RUNS = 8

/** Most tokens of a job: one run where others wait for their turn, several where nobody does. */
export function jobLimit(runTokens: number, isLong: boolean): number {
  return isLong ? LONG_JOB_RUNS * runTokens : runTokens
}

/** Size of the next job: an even share of a short queue, so that all workers help; a full job of a long one. */
export function jobBudget(queuedTokens: number, workers: number, maxTokens: number): number {
  const share = Math.ceil(queuedTokens / Math.max(1, workers))
  return Math.min(maxTokens, Math.max(MIN_JOB_TOKENS, share))
}

/**
 * Chooses the inputs of one padded run: the oldest, and those nearest to it in length while the run keeps its
 * budget and wastes little on padding. The oldest is always taken, even one larger than the budget: nothing
 * starves. Among equals the older come first.
 * @param tokens lengths of what waits, oldest first
 * @returns positions in `tokens`, 0 first
 */
export function planRun(
  tokens: ArrayLike<number>,
  budget: number,
  limits: Pick<GroupingLimits, 'slackTokens' | 'slackRatio'>,
): number[] {
  if (tokens.length === 0) return []
  const seed = tokens[0] as number
  const { shorter, longer } = neighbours(tokens)
  const chosen = [0]
  let width = seed
  let real = seed
  let below = 0
  let above = 0
  for (;;) {
    const down = shorter[below]
    const up = longer[above]
    if (down !== undefined && (up === undefined || seed - at(down) < at(up) - seed)) {
      if (add(down)) below += 1
      else if (up !== undefined && add(up)) above += 1
      else return chosen
    } else if (up !== undefined) {
      if (add(up)) above += 1
      else if (down !== undefined && add(down)) below += 1
      else return chosen
    } else return chosen
  }

  function at(index: number): number {
    return tokens[index] as number
  }

  function add(index: number): boolean {
    const newWidth = Math.max(width, at(index))
    const padded = newWidth * (chosen.length + 1)
    const newReal = real + at(index)
    if (padded > budget) return false
    if (padded - newReal > limits.slackTokens + limits.slackRatio * newReal) return false
    chosen.push(index)
    width = newWidth
    real = newReal
    return true
  }
}

/** Everything but the oldest, nearest to its length first and older first among equals. */
function neighbours(tokens: ArrayLike<number>): { shorter: number[]; longer: number[] } {
  const seed = tokens[0] as number
  const shorter: number[] = []
  const longer: number[] = []
  for (let i = 1; i < tokens.length; i++) {
    if ((tokens[i] as number) < seed) shorter.push(i)
    else longer.push(i)
  }
  shorter.sort((a, b) => (tokens[b] as number) - (tokens[a] as number) || a - b)
  longer.sort((a, b) => (tokens[a] as number) - (tokens[b] as number) || a - b)
  return { shorter, longer }
}
