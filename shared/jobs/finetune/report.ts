import type { EncoderInfo } from '../../encoder/types.ts'
import type { FineTuneResult } from '../../finetune/types.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type {
  ReportChampion,
  ReportContender,
  ReportRecommendation,
  TrainingReport,
} from '../../reports/types.ts'
import type { Judgement } from '../heads/evaluation.ts'
import { assembleReport } from '../heads/report.ts'
import type { FineTuneData } from './data.ts'
import type { TunedHead } from './heads.ts'
import type { FineTuneClassifierRequest } from './request.ts'

/** Everything that the report of a fine-tuning tells. */
export interface TunedReportParts {
  readonly request: FineTuneClassifierRequest
  readonly data: FineTuneData
  readonly base: EncoderInfo
  /** The tuned encoder, and the name that it has in the registry. */
  readonly encoder: EncoderInfo
  readonly model: string
  readonly tuned: TunedHead
  readonly headBytes: number
  /** Of the published head at the served precision; null where no rows were held out. */
  readonly judgement: Judgement | null
  readonly contenders: readonly ReportContender[]
  readonly recommendation: ReportRecommendation
  readonly comparison: ReportChampion | null
  readonly settings: Readonly<Record<string, number | string | boolean | null>>
  readonly result: FineTuneResult
  readonly timings: TrainingReport['timings']
  readonly createdMs: number
}

const ENDS = {
  finished: 'as planned',
  patience: 'early, as the validation rows got no better',
  budget: 'with the time allowed',
  cancelled: 'by Ctrl-C',
  diverged: 'as the loss was no number any more',
} as const

/** The report of a head with a section on the encoder below it. */
export function assembleTunedReport(parts: TunedReportParts): TrainingReport {
  const { tuned, base, result, data, model } = parts
  const { head, method, choice } = tuned
  const report = assembleReport({
    ...parts,
    // What cross-validation says of rows that the encoder has learnt says nothing of others.
    trained: { head, method, why: choice.why, candidates: [], crossValidation: null },
    fittedAccuracy: 0,
  })
  return {
    ...report,
    encoder: { ...report.encoder, model },
    fineTuning: {
      base: {
        model: formatModelVersion(base),
        family: base.family,
        fingerprint: base.fingerprint,
        precision: base.precision,
      },
      settings: parts.settings,
      rows: { train: data.learnt.length, validation: data.validation.length },
      stopped: ENDS[result.stopped],
      steps: result.steps,
      bestStep: result.bestStep,
      blend: {
        alpha: result.blend.alpha,
        basis: result.blend.basis,
        rows: result.blend.rows,
        scores: result.blend.scores,
      },
      epochs: result.epochs,
      trainedParameters: result.trainedParameters,
      curve: result.curve.map(
        ({ step, seconds, trainLoss, validationLoss, validationAccuracy }) => ({
          step,
          seconds,
          trainLoss,
          validationLoss,
          validationAccuracy,
        }),
      ),
      contenders: parts.contenders,
      head: choice,
      recommendation: parts.recommendation,
      memory: result.memory,
    },
  }
}
