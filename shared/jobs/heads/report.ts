import type { LabelledExample } from '../../dataset/examples.ts'
import type { EncoderInfo } from '../../encoder/types.ts'
import type {
  ReportBaseline,
  ReportCost,
  ReportLearningCurve,
  ReportOutOfFold,
  ReportRepeated,
  ReportSureAnswers,
} from '../../reports/figure-types.ts'
import type { ReportChampion, ReportMistake, TrainingReport } from '../../reports/types.ts'
import type { RepeatedCrossValidation } from '../../training/repeated/cross-validate.ts'
import type { TrainedHead } from '../../training/types.ts'
import type { TrainingData } from './data.ts'
import type { Evaluation } from './evaluation.ts'
import { describeLabelNoise } from './label-noise.ts'
import type { HeadRequest, MakeThumbnail } from './request.ts'

/** Images with wrong answers that a report shows: some 50 KB. */
export const SHOWN_MISTAKES = 24
/** Longer ones are left out: a report stays small. */
const MAX_LENGTH = 16 * 1024

/** Everything that a report tells. */
export interface ReportParts {
  readonly request: Pick<HeadRequest, 'name' | 'seed' | 'command'>
  readonly data: TrainingData
  readonly encoder: EncoderInfo
  /** The encoder as the registry names it. */
  readonly model: string
  readonly trained: TrainedHead
  /** Null where no rows were held out. */
  readonly evaluation: Evaluation | null
  readonly fittedAccuracy: number
  readonly comparison: ReportChampion | null
  /** Null where enough rows were held out, or it cannot be had. */
  readonly repeated: RepeatedCrossValidation | null
  readonly baselines: readonly ReportBaseline[]
  readonly learningCurve: ReportLearningCurve | null
  readonly cost: ReportCost
  readonly outOfFold: ReportOutOfFold | null
  readonly sureAnswers: ReportSureAnswers | null
  readonly headBytes: number
  readonly timings: TrainingReport['timings']
  readonly createdMs: number
}

/** Puts the report of a training together. */
export function assembleReport(parts: ReportParts): TrainingReport {
  const { request, data, encoder, trained, evaluation } = parts
  const { head, crossValidation } = trained
  const isGrouped = [...data.train, ...data.test].some(({ together }) => together !== undefined)
  const ofShare = isGrouped ? 'grouped' : 'stratified'
  const testKind = data.testSummary !== null ? 'file' : data.periods ? 'time' : ofShare
  return {
    name: request.name,
    created: new Date(parts.createdMs).toISOString(),
    dataset: { ...data.summary, warnings: data.warnings },
    split: {
      kind: data.test.length === 0 ? 'none' : testKind,
      source: data.testSummary?.source ?? null,
      trainRows: data.train.length,
      testRows: data.test.length,
      ...(data.periods && { periods: data.periods }),
    },
    encoder: {
      model: parts.model,
      family: encoder.family,
      fingerprint: encoder.fingerprint,
      precision: encoder.precision,
      ...(encoder.architecture !== undefined && { architecture: encoder.architecture }),
    },
    labels: head.labels,
    multiLabel: data.multiLabel,
    method: { name: trained.method, why: trained.why },
    candidates: trained.candidates,
    crossValidation: crossValidation && {
      accuracy: crossValidation.accuracy,
      macroF1: crossValidation.macroF1,
      microF1: crossValidation.microF1,
      ...(trained.balanced && { balancedMacroF1: trained.balanced.macroF1 }),
      nll: crossValidation.nll,
      ece: crossValidation.ece,
      fittedAccuracy: parts.fittedAccuracy,
    },
    repeatedCrossValidation: parts.repeated && describeRepeated(parts.repeated),
    baselines: parts.baselines,
    learningCurve: parts.learningCurve,
    cost: parts.cost,
    outOfFold: parts.outOfFold,
    sureAnswers: parts.sureAnswers,
    labelNoise: describeLabelNoise(data, trained),
    test: evaluation?.test ?? null,
    outOfDistribution: head.detector && {
      threshold: head.detector.threshold,
      keepRate: evaluation?.inDistribution ?? null,
    },
    ...(trained.noDetector && { noThreshold: trained.noDetector }),
    champion: parts.comparison,
    sizes: { headBytes: parts.headBytes, neighbourRows: head.memory?.labels.length ?? 0 },
    timings: parts.timings,
    seed: request.seed,
    command: request.command,
  }
}

function describeRepeated({ baselines: _, ...figures }: RepeatedCrossValidation): ReportRepeated {
  return figures
}

/** Small images of wrong answers, by path; those that can be made no more are left out. */
export async function makeThumbnails(
  open: () => Promise<MakeThumbnail>,
  examples: readonly LabelledExample[],
  mistakes: readonly ReportMistake[],
): Promise<Map<string, string>> {
  const thumbnails = new Map<string, string>()
  if (mistakes.length === 0) return thumbnails
  const make = await open()
  const byPath = new Map(examples.map(({ text, image }) => [text, image]))
  for (const { image: path } of mistakes) {
    const image = byPath.get(path)
    // The file may have gone since it was evaluated; the report does without it then.
    const made = image && (await image.load().then(make, () => null))
    if (made && made.length <= MAX_LENGTH) thumbnails.set(path, made)
  }
  return thumbnails
}
