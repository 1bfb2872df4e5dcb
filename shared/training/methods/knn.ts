import type { Candidate } from './candidates.ts'
import type { MethodRun } from './method.ts'
import { makeCandidate as makeMeans } from './ncm.ts'
import { blendWithVotes } from './votes.ts'

/** Weight of the votes: the rest only orders labels that have no neighbour. */
const PURE_VOTES = 0.95

/** The pure vote of the nearest training rows, over nearest class means. */
export async function makeCandidate({
  problem,
  candidate,
  neighbours,
}: MethodRun): Promise<Candidate> {
  return blendWithVotes(problem, await candidate(makeMeans), await neighbours(), PURE_VOTES)
}
