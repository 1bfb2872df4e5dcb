import type { Neighbours } from '../../head/neighbours.ts'
import type { Candidate } from './candidates.ts'
import type { Problem } from './problem.ts'

/** What a method gets: the problem, and what other methods have made of it already. */
export interface MethodRun {
  readonly problem: Problem
  /** Whether rows count in a logistic regression so that classes count alike. */
  readonly weighted: boolean
  /** What another method makes of the problem, made once for all who ask. */
  readonly candidate: (make: MakeCandidate) => Promise<Candidate>
  /** Nearest rows of the other folds for every held-out row, searched once. */
  readonly neighbours: () => Promise<Neighbours>
}

/** Chooses a method's settings by cross-validation; the candidate then fits all rows. */
export type MakeCandidate = (run: MethodRun) => Promise<Candidate>

/** What the file of a method exports. */
export interface MethodModule {
  readonly makeCandidate: MakeCandidate
}
