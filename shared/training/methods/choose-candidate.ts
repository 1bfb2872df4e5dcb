import type { Optimise } from '../catalogue/aims.ts'
import { largestOf } from '../evaluation/probabilities.ts'
import type { Candidate } from './candidates.ts'
import { isClearGain, lossesOf, measureGain, pickLikeliest } from './held-out-losses.ts'
import { macroF1 } from './prior-shift.ts'
import type { Problem } from './problem.ts'

/** A candidate whose held-out loss is more than so many times that of chance and of nearest class means is out. */
const SANE_FACTOR = 1.25
/** The candidate that knows least but the classes. */
const NEAREST_MEANS = 'ncm'

export interface Selection {
  readonly chosen: Candidate
  readonly candidates: readonly Candidate[]
  readonly why: string
}

/**
 * Chooses among candidates, the default first, by what held-out rows say; the sentence names the criterion.
 *
 * `log-loss`: a later candidate replaces the one before where it is clearly likelier (`isClearGain`). `accuracy`: where it
 * is right on more rows by more than one paired standard error. `macro-f1`: the best one. Candidates whose scores explode
 * are never chosen: on few rows discriminant analysis has next to no variance to go by. `plain` are the candidates
 * before their answers were balanced, by which that is judged.
 */
export function chooseCandidate(
  problem: Problem,
  candidates: readonly Candidate[],
  optimise: Optimise,
  plain: readonly Candidate[] = candidates,
): Selection {
  const isSane = findSane(problem, plain)
  const sane = candidates.filter((_, i) => isSane[i])
  const { chosen, why } = CHOOSERS[optimise](problem, sane)
  const out = plain.filter((_, i) => !isSane[i])
  const left = out.map(({ name, nll }) => `${name} with ${nll.toFixed(3)}`).join(', ')
  const told = out.length === 0 ? '' : `; not considered for a loss beyond that of chance: ${left}`
  return { chosen, candidates, why: `${why}${told}` }
}

/** Which candidates are not much worse than both chance and nearest class means; all where none is. */
function findSane(problem: Problem, candidates: readonly Candidate[]): readonly boolean[] {
  const means = candidates.find(({ name }) => name === NEAREST_MEANS)?.nll ?? 0
  const bound = SANE_FACTOR * Math.max(lossOfChance(problem), means)
  const sane = candidates.map(({ nll }) => nll <= bound)
  return sane.includes(true) ? sane : candidates.map(() => true)
}

/** Mean loss of answering every held-out row with the shares of the classes. */
function lossOfChance({ groups, heldOut, classes }: Problem): number {
  const counts = new Float64Array(classes)
  for (const group of groups) counts[group] = counts[group]! + 1
  const sum = heldOut.reduce(
    (loss, row) => loss - Math.log(counts[groups[row]!]! / groups.length),
    0,
  )
  return heldOut.length === 0 ? 0 : sum / heldOut.length
}

type Chooser = (
  problem: Problem,
  candidates: readonly Candidate[],
) => Pick<Selection, 'chosen' | 'why'>

const CHOOSERS: Readonly<Record<Optimise, Chooser>> = {
  'log-loss': chooseLikeliest,
  accuracy: chooseMostRight,
  'macro-f1': chooseFairest,
}

function chooseLikeliest(problem: Problem, candidates: readonly Candidate[]) {
  const losses = candidates.map(({ probabilities }) => lossesOf(problem, probabilities))
  const isClear = (one: number, other: number): boolean =>
    isClearGain(measureGain(losses[one]!, losses[other]!))
  let at = 0
  for (let other = 1; other < candidates.length; other++) if (isClear(at, other)) at = other
  const best = pickLikeliest(candidates)
  // The one that stands may have been beaten by another that is beaten itself.
  if (isClear(at, candidates.indexOf(best))) at = candidates.indexOf(best)
  const chosen = candidates[at]!
  const why = `by held-out log-loss, ${chosen.nll.toFixed(3)} with ${percent(chosen.accuracy)} right: `
  if (best.nll >= chosen.nll) {
    return { chosen, why: `${why}none of ${candidates.length} candidates has a lower one` }
  }
  const kept = at === 0 ? ', so the default stays' : ''
  const other = `${best.name} has a lower one, ${best.nll.toFixed(3)}, but not clearly${kept}`
  return { chosen, why: `${why}${other}` }
}

function chooseMostRight(problem: Problem, candidates: readonly Candidate[]) {
  const wrong = candidates.map((candidate) => wrongRows(problem, candidate))
  let at = 0
  for (let other = 1; other < candidates.length; other++) {
    const { mean, error } = measureGain(wrong[at]!, wrong[other]!)
    if (mean > error) at = other
  }
  const chosen = candidates[at]!
  const best = candidates.reduce((a, b) => (b.accuracy > a.accuracy ? b : a))
  const why = `by held-out accuracy, ${percent(chosen.accuracy)}: `
  if (best.accuracy <= chosen.accuracy) {
    return { chosen, why: `${why}none of ${candidates.length} candidates has a higher one` }
  }
  return {
    chosen,
    why: `${why}${best.name} has ${percent(best.accuracy)}, which is no clear difference from one that stands before it`,
  }
}

function wrongRows({ groups, heldOut }: Problem, { probabilities }: Candidate): Float64Array {
  const { data, columns } = probabilities
  return Float64Array.from(heldOut, (row, i) => {
    return Number(largestOf({ data, rows: heldOut.length, columns }, i) !== groups[row])
  })
}

function chooseFairest(problem: Problem, candidates: readonly Candidate[]) {
  const scores = candidates.map(({ probabilities }) => macroF1(problem, probabilities))
  const best = Math.max(...scores)
  const chosen = candidates[scores.indexOf(best)]!
  const why =
    `by held-out macro-F1, ${percent(best)} with ${percent(chosen.accuracy)} right: ` +
    `none of ${candidates.length} candidates has a higher one`
  return { chosen, why }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
