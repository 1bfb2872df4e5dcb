import { EspalierError } from '../lib/errors.ts'

/** The least and the most that a prediction set may be asked to cover. */
export const LEAST_COVERAGE = 0.5
export const MOST_COVERAGE = 0.999
/** Places beyond the 200th lie this far apart, relative: what is read between two covers a little more. */
const STEP = 1.005
/** What rounding may do to (rows + 1) × coverage. */
const ROUNDING = 1e-9

/** What rows that were not learnt gave to their true labels. */
export interface HeldOutScores {
  readonly rows: number
  /** Probabilities of the true label, the lowest first, at the places that `placesOf` gives for so many rows. */
  readonly lowest: readonly number[]
}

/** What prediction sets are cut by. */
export interface SetFacts extends HeldOutScores {
  /** The same of the rows of each label, in the order of the head's labels. */
  readonly byLabel: readonly HeldOutScores[]
}

/** A prediction set that is asked for. */
export interface SetWish {
  /** Share of rows whose set is to hold the true label, 0.5 to 0.999. */
  readonly coverage: number
  /** Holds for the rows of each label, and not only for all together. @default false */
  readonly byLabel?: boolean | undefined
}

/** How sets are cut. */
export interface SetRule {
  readonly coverage: number
  readonly byLabel: boolean
  /** The probability from which a label stands in a set, per label. */
  readonly least: readonly number[]
  /** Labels that stand in every set, as too few rows of them were held out. */
  readonly tooFewRows: number
}

/** Places, from 1, of the ordered scores of so many rows that are kept; the last one serves the least coverage. */
export function placesOf(rows: number): number[] {
  const last = Math.floor((rows + 1) * (1 - LEAST_COVERAGE))
  const places: number[] = []
  for (let at = 1; at <= last; at = Math.max(at + 1, Math.floor(at * STEP))) places.push(at)
  return places
}

/** Keeps of the true labels' probabilities what sets are cut by. Rounding only makes sets larger. */
export function keepScores(probabilities: readonly number[]): { rows: number; lowest: number[] } {
  const rows = probabilities.length
  const sorted = [...probabilities].sort((a, b) => a - b)
  return { rows, lowest: placesOf(rows).map((place) => roundDown(sorted[place - 1]!)) }
}

/** Seven digits, not above the number itself. */
export function roundDown(probability: number): number {
  return Number((probability * (1 - 5e-7)).toPrecision(7))
}

/** Rows that must have been held out for a coverage: with fewer only the set of all labels keeps the promise. */
export function rowsForCoverage(coverage: number): number {
  return Math.ceil(coverage / (1 - coverage) - ROUNDING)
}

/**
 * Split conformal prediction with the score 1 − p of the true label (Vovk et al. 2005; Sadinle, Lei and Wasserman 2019):
 * a set holds each label whose score is at most the ⌈(n + 1) · coverage⌉-th smallest of n rows. The scores of a
 * cross-validation stand for those of a split. Null where too few rows were held out.
 */
export function cutSets(facts: SetFacts, { coverage, byLabel = false }: SetWish): SetRule | null {
  if (!byLabel) {
    const cut = cutAt(facts, coverage)
    if (cut === null) return null
    return { coverage, byLabel, least: facts.byLabel.map(() => cut), tooFewRows: 0 }
  }
  const cuts = facts.byLabel.map((label) => cutAt(label, coverage))
  const tooFewRows = cuts.filter((cut) => cut === null).length
  if (tooFewRows === cuts.length) return null
  return { coverage, byLabel, least: cuts.map((cut) => cut ?? 0), tooFewRows }
}

/**
 * The same for a request.
 * @param model what the classifier is called
 * @throws EspalierError `unsupported_answer` where too few rows were held out
 */
export function ruleOfSets(facts: SetFacts, wish: SetWish, model: string): SetRule {
  const rule = cutSets(facts, wish)
  if (rule !== null) return rule
  const { coverage } = wish
  const needed = rowsForCoverage(coverage)
  if (wish.byLabel !== true) throw tooFew(model, coverage, needed, `${facts.rows} were held out`)
  const most = Math.max(...facts.byLabel.map(({ rows }) => rows))
  throw tooFew(model, coverage, needed, `no label has more than ${most}`, ' of a label')
}

/** The lowest probability of a true label that a set must still hold; null where the rows do not suffice. */
function cutAt({ rows, lowest }: HeldOutScores, coverage: number): number | null {
  const place = rows + 1 - Math.ceil((rows + 1) * coverage - ROUNDING)
  if (place < 1) return null
  // The nearest kept place below it.
  const at = placesOf(rows).findLastIndex((kept) => kept <= place)
  return lowest[at] ?? null
}

function tooFew(model: string, coverage: number, needed: number, have: string, of = '') {
  return new EspalierError(
    'unsupported_answer',
    `prediction_set: a coverage of ${coverage} needs ${needed} held-out rows${of}; of the training rows of ${model} ${have}`,
    { param: 'prediction_set' },
  )
}
