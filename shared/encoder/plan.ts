/** Most tokens of a job: a couple of runs, so that a worker is soon free for what has arrived since. */
const MAX_JOB_TOKENS = 1024
/** A smaller job is not worth a second worker. */
const MIN_JOB_TOKENS = 64
/** What a request may take before the next one in line has its turn. */
const TURN_TOKENS = 256
const BYTES_PER_TOKEN = 4
const SPECIAL_TOKENS = 2

/** The inputs of one request that wait, in the order in which they will be taken. */
export interface Waiting {
  /** Estimated tokens, by position in that order. */
  readonly estimates: ArrayLike<number>
  /** Inputs before this position are gone already. */
  readonly next: number
}

/** The next `count` inputs of the request at position `request`. */
export interface Take {
  readonly request: number
  readonly count: number
}

/** Guesses the tokens of a text from its size; tokenising is the workers' business. */
export function estimateTokens(utf8Bytes: number, maxTokens: number): number {
  return Math.min(maxTokens, Math.ceil(utf8Bytes / BYTES_PER_TOKEN) + SPECIAL_TOKENS)
}

/** Size of the next job: an even share of a short queue, so that all workers help; bounded for a long one. */
export function jobBudget(queuedTokens: number, workers: number): number {
  const share = Math.ceil(queuedTokens / Math.max(1, workers))
  return Math.min(MAX_JOB_TOKENS, Math.max(MIN_JOB_TOKENS, share))
}

/**
 * Chooses the inputs of the next job: requests take turns in order of arrival, a bounded number of tokens a
 * turn, so that a large request neither waits for nor holds up small ones. The oldest request always gets
 * at least one input, even one larger than the budget: nothing starves.
 * @param waiting requests in order of arrival, each with inputs left
 */
export function planJob(waiting: readonly Waiting[], budget: number): Take[] {
  const counts: number[] = []
  let total = 0
  let full = false
  for (let progress = true; progress && !full; ) {
    progress = false
    for (let request = 0; request < waiting.length && !full; request++) {
      const { estimates, next } = waiting[request] as Waiting
      let turn = 0
      while (turn < TURN_TOKENS) {
        const position = next + (counts[request] ?? 0)
        if (position >= estimates.length) break
        const tokens = estimates[position] as number
        full = total > 0 && total + tokens > budget
        if (full) break
        counts[request] = (counts[request] ?? 0) + 1
        turn += tokens
        total += tokens
        progress = true
      }
    }
  }
  return counts.map((count, request) => ({ request, count })).filter(({ count }) => count > 0)
}
