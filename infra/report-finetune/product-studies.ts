import type { ReportContender } from '../../shared/reports/types.ts'
import { runProduct } from './product-runs.ts'
import { judgeFrozen, type StudyParts } from './study-parts.ts'
import { drawPerLabel, type StudySet } from './study-sets.ts'

/** Contrastive fine-tuning on a few rows of each class, over several draws. Accuracies are shares. */
export interface FewShotResult {
  readonly key: string
  readonly order: number
  readonly title: string
  readonly perLabel: number
  readonly draws: readonly {
    readonly frozen: number
    readonly tuned: number
    readonly int8: number
    /** Share of the tuned weights in the mix; 0 where nothing was published, and the frozen head stays. */
    readonly alpha: number
  }[]
}

/** A whole data set through the product, beside the frozen head on the same test rows. */
export interface FullResult {
  readonly key: string
  readonly order: number
  readonly title: string
  readonly rows: number
  readonly trained: string
  readonly contenders: readonly ReportContender[]
  readonly steps: number
  readonly alpha?: number | undefined
  readonly peakBytes: number
  readonly predictedBytes: number
  readonly recommendation: string
}

const PER_LABEL = 8
const DRAWS = 5

/** 8 rows a class, drawn five times; goes on after the draws that are known. */
export async function studyFewShot(
  parts: StudyParts,
  sets: readonly StudySet[],
  names: readonly string[],
  {
    known,
    keep,
  }: {
    readonly known: readonly FewShotResult[]
    keep(result: FewShotResult): Promise<void>
  },
): Promise<void> {
  for (const [order, set] of sets.entries()) {
    if (!names.includes(set.name)) continue
    const draws = [...(known.find(({ key }) => key === set.name)?.draws ?? [])]
    // After every draw: the whole takes long, and may be broken off.
    const keepDraws = () =>
      keep({ key: set.name, order, title: set.title, perLabel: PER_LABEL, draws })
    for (let seed = draws.length; seed < DRAWS; seed++) {
      const train = drawPerLabel(set.train, PER_LABEL, seed)
      const tuning = { loss: 'contrastive' } as const
      const { test, labels } = set
      const result = await runProduct(parts, { train, test, seed, tuning })
      if (result.refusal !== null) {
        parts.log(`${set.name}, draw ${seed}: ${result.refusal}`)
        // The command keeps the frozen encoder where training finds nothing better.
        const kept = await judgeFrozen(parts, { train, test, labels, seed, precision: 'int8' })
        draws.push({ frozen: kept, tuned: kept, int8: kept, alpha: 0 })
        await keepDraws()
        continue
      }
      const { contenders } = result
      const { alpha } = result.fineTuning.blend
      const frozen = accuracyOf(contenders, (each) => !each.tuned)
      const tuned = accuracyOf(contenders, (each) => each.tuned && each.precision === 'float32')
      const int8 = accuracyOf(contenders, (each) => each.tuned && each.precision === 'int8')
      draws.push({ frozen, tuned, int8, alpha })
      await keepDraws()
      const told = [frozen, tuned, int8].map((share) => (100 * share).toFixed(1))
      parts.log(
        `${set.name}, draw ${seed}: frozen ${told[0]} %, tuned ${told[1]} %, int8 ${told[2]} %, alpha ${alpha}`,
      )
    }
  }
}

/** The data sets, and what of the encoder is trained. */
const FULL_RUNS = [
  { set: 'trec', layers: { kind: 'all' } },
  { set: 'trec', layers: { kind: 'layers', count: 2 } },
  { set: 'banking77', layers: { kind: 'all' } },
  { set: 'clinc-intents', layers: { kind: 'all' } },
] as const

/** All rows of each set. */
export async function studyFull(
  parts: StudyParts,
  sets: readonly StudySet[],
  names: readonly string[],
  keep: (result: FullResult) => Promise<void>,
): Promise<void> {
  for (const [order, { set: name, layers }] of FULL_RUNS.entries()) {
    const set = sets.find((each) => each.name === name)
    if (set === undefined || !names.includes(name)) continue
    const { train, test } = set
    const { contenders, fineTuning } = await runProduct(parts, {
      ...{ train, test, seed: 1, tuning: { layers } },
    })
    const trained = layers.kind === 'all' ? 'all layers' : `last ${layers.count} layers`
    await keep({
      key: `${name}, ${trained}`,
      order,
      title: set.title,
      rows: train.length,
      trained,
      contenders,
      steps: fineTuning.steps,
      alpha: fineTuning.blend.alpha,
      ...fineTuning.memory,
      recommendation: fineTuning.recommendation.promote,
    })
    const told = contenders.map((each) => `${each.name} ${percent(each.accuracy)} %`)
    parts.log(`${name}, ${trained}: ${told.join('; ')}`)
  }
}

function accuracyOf(
  contenders: readonly ReportContender[],
  isMeant: (contender: ReportContender) => boolean,
): number {
  return contenders.find(isMeant)?.accuracy ?? Number.NaN
}

function percent(share: number | null): string {
  return ((share ?? 0) * 100).toFixed(1)
}
