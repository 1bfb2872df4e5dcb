import type { EncoderInfo } from '../../encoder/types.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { ReportChampion, TrainingReport } from '../../reports/types.ts'
import type { TrainedHead } from '../../training/types.ts'
import type { TrainingData } from './data.ts'
import type { Judgement } from './evaluation.ts'
import type { TrainHeadRequest } from './request.ts'

/** Everything that a report tells. */
export interface ReportParts {
  readonly request: Pick<TrainHeadRequest, 'name' | 'seed' | 'command'>
  readonly data: TrainingData
  readonly encoder: EncoderInfo
  /** The layers that were compared. */
  readonly layers?: TrainingReport['layers']
  readonly trained: TrainedHead
  /** Null where no rows were held out. */
  readonly judgement: Judgement | null
  readonly fittedAccuracy: number
  readonly comparison: ReportChampion | null
  readonly headBytes: number
  readonly timings: TrainingReport['timings']
  readonly createdMs: number
}

/** Puts the report of a training together. */
export function assembleReport(parts: ReportParts): TrainingReport {
  const { request, data, encoder, trained, judgement } = parts
  const { head, crossValidation } = trained
  const testKind = data.testSummary !== null ? 'file' : 'stratified'
  return {
    name: request.name,
    created: new Date(parts.createdMs).toISOString(),
    dataset: { ...data.summary, warnings: data.warnings },
    split: {
      kind: data.test.length === 0 ? 'none' : testKind,
      source: data.testSummary?.source ?? null,
      trainRows: data.train.length,
      testRows: data.test.length,
    },
    encoder: {
      model: formatModelVersion(encoder),
      family: encoder.family,
      fingerprint: encoder.fingerprint,
      precision: encoder.precision,
      ...(encoder.architecture !== undefined && { architecture: encoder.architecture }),
    },
    labels: head.labels,
    multiLabel: data.multiLabel,
    method: { name: trained.method, why: trained.why },
    ...(parts.layers && { layers: parts.layers }),
    candidates: trained.candidates,
    crossValidation: crossValidation && {
      accuracy: crossValidation.accuracy,
      nll: crossValidation.nll,
      ece: crossValidation.ece,
      fittedAccuracy: parts.fittedAccuracy,
    },
    test: judgement?.test ?? null,
    outOfDistribution: head.detector && {
      threshold: head.detector.threshold,
      keepRate: judgement?.inDistribution ?? null,
    },
    champion: parts.comparison,
    sizes: { headBytes: parts.headBytes, neighbourRows: head.memory?.labels.length ?? 0 },
    timings: parts.timings,
    seed: request.seed,
    command: request.command,
  }
}
