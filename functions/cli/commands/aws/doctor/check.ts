import type { Account } from '../../../../../shared/aws/account.ts'
import { EspalierError } from '../../../../../shared/lib/errors.ts'

/** What a check found. */
export interface Finding {
  /** `unknown` where AWS gave no answer, such as for lack of a right. */
  readonly status: 'ok' | 'missing' | 'warning' | 'unknown'
  readonly found: string
  /** What to do, where something is: a command that can be pasted, or a sentence. */
  readonly fix?: string
}

/** A finding under the name of its check. */
export interface CheckResult extends Finding {
  readonly check: string
}

/** One question, and what its answer means for the deployment. */
export interface Check {
  readonly check: string
  look(): Promise<Finding>
}

/** What checks look at. */
export interface Place {
  readonly account: Account
  readonly region: string
}

/** Longest time for all requests of one check, in milliseconds. */
const LONGEST_MS = 20_000

/** Looks, and turns what fails into `unknown`: a check that cannot look does not stop the others. */
export async function runCheck(
  { check, look }: Check,
  longestMs = LONGEST_MS,
): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((resolve) => {
    const found = `no answer within ${longestMs / 1000} s`
    timer = setTimeout(() => resolve({ status: 'unknown', found }), longestMs)
  })
  try {
    return { check, ...(await Promise.race([look(), late])) }
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    return { check, status: 'unknown', found: error.message }
  } finally {
    clearTimeout(timer)
  }
}

/** A text as one word of a command that is pasted into a shell, whatever it has in it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./*-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
