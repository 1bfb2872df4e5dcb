import type { CurvePoint } from '../../shared/finetune/types.ts'
import { judgeFrozen, type StudyParts, trainStudyRun } from './study-parts.ts'
import { drawRows, type StudySet } from './study-sets.ts'

/** How much of a set is trained on, and how long from either start. */
export interface StudyCell {
  readonly set: string
  /** Training rows; more than there are means all. */
  readonly rows: number
  /** Passes from random weights, as a multiple of those from pretrained ones. */
  readonly longer: number
}

/** One cell, trained. Accuracies are shares of the test rows after the last step. */
export interface CellResult {
  readonly key: string
  readonly order: number
  readonly set: string
  readonly title: string
  readonly rows: number
  readonly labels: number
  readonly frozen: number
  readonly pretrained: readonly CurvePoint[]
  readonly random: readonly CurvePoint[]
}

const SEED = 1

/** Two quiet cores need some 15 minutes for these. */
export const DEFAULT_CELLS: readonly StudyCell[] = [
  { set: 'trec', rows: 250, longer: 3 },
  { set: 'trec', rows: 1_000, longer: 2 },
  { set: 'clinc-intents', rows: 1_500, longer: 1 },
  { set: 'clinc-domains', rows: 1_500, longer: 1 },
  { set: 'trec', rows: 5_452, longer: 2 },
  { set: 'banking77', rows: 770, longer: 1 },
  { set: 'clinc-intents', rows: 4_500, longer: 1 },
  { set: 'clinc-domains', rows: 4_500, longer: 1 },
]

/** For `--full`: hours. */
export const FULL_CELLS: readonly StudyCell[] = [
  ...[100, 250, 500, 1_000, 2_500, 5_452].map((rows) => ({ set: 'trec', rows, longer: 5 })),
  ...[1_500, 5_000, 15_000].flatMap((rows) => [
    { set: 'clinc-domains', rows, longer: 3 },
    { set: 'clinc-intents', rows, longer: 3 },
  ]),
  ...[770, 3_080, 10_003].map((rows) => ({ set: 'banking77', rows, longer: 3 })),
]

/** Test rows that curves are judged on; an even sample of larger sets, the same for every run. */
const MAX_TEST_ROWS = 500

/** Trains every cell from pretrained and from random weights, and a head on the frozen encoder. */
export async function studyConvergence(
  parts: StudyParts,
  sets: readonly StudySet[],
  cells: readonly StudyCell[],
  keep: (result: CellResult) => Promise<void>,
): Promise<void> {
  for (const { set: name, rows, longer } of cells) {
    const set = sets.find((each) => each.name === name)
    if (set === undefined) throw new Error(`no data set ${name}`)
    const train = drawRows(set.train, rows, SEED)
    const stride = Math.max(1, set.test.length / MAX_TEST_ROWS)
    const count = Math.min(set.test.length, MAX_TEST_ROWS)
    const test = Array.from({ length: count }, (_, i) => set.test[Math.floor(i * stride)]!)
    const run = { train, test, labels: set.labels, seed: SEED }
    const frozen = await judgeFrozen(parts, run)
    const pretrained = await trainStudyRun(parts, { ...run, initialisation: 'pretrained' })
    const epochs = Math.round(pretrained.epochs * longer)
    const random = await trainStudyRun(parts, { ...run, initialisation: 'random', epochs })
    const result = {
      key: `${name}-${train.length}`,
      order: sets.indexOf(set) * 1e6 + train.length,
      set: name,
      title: set.title,
      rows: train.length,
      labels: set.labels.length,
      frozen,
      pretrained: pretrained.curve,
      random: random.curve,
    }
    await keep(result)
    const told = (curve: readonly CurvePoint[]) => (100 * finalAccuracy(curve)).toFixed(1)
    parts.log(
      `${name}, ${train.length} rows: frozen ${(100 * frozen).toFixed(1)} %, pretrained ${told(result.pretrained)} %, ` +
        `random ${told(result.random)} %`,
    )
  }
}

/** Share of the test rows that are right after the last step. */
export function finalAccuracy(curve: readonly CurvePoint[]): number {
  return curve.at(-1)?.validationAccuracy ?? Number.NaN
}

/** The first step at which a curve reaches an accuracy; null where it never does. */
export function stepsTo(curve: readonly CurvePoint[], accuracy: number): number | null {
  return curve.find((point) => (point.validationAccuracy ?? 0) >= accuracy)?.step ?? null
}
