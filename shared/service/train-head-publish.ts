import type { Head } from '../head/head.ts'
import type { Registry, RegistryVersion } from '../registry/types.ts'
import type { TrainingReport } from '../training/report/types.ts'
import type { TrainedHead } from '../training/types.ts'
import { describeHead, HEAD_FILE, REPORT_FILES } from './head-version.ts'
import type { TrainingData } from './train-head-data.ts'
import type { TrainHeadRequest } from './train-head-request.ts'

/** A head that is ready to become a version. */
export interface PublishableHead {
  readonly head: Head
  /** The head as its file. */
  readonly bytes: Uint8Array
  readonly trained: TrainedHead
  readonly report: TrainingReport
  readonly files: { readonly markdown: string; readonly json: string; readonly html: string }
  readonly request: TrainHeadRequest
  readonly data: TrainingData
}

const MAX_COMMAND_LENGTH = 10_000

/** Publishes a head with its report, metrics and lineage; returns the new version. */
export async function publishHead(
  registry: Registry,
  { head, bytes, trained, report, files, request, data }: PublishableHead,
): Promise<RegistryVersion> {
  const { method, why } = trained
  const { encoder, crossValidation, test, sizes } = report
  const { version } = await registry.publish(
    {
      name: request.name,
      kind: 'classifier',
      family: head.family,
      fingerprint: encoder.fingerprint,
      description: request.description,
      metadata: describeHead(head, { method, why, headBytes: sizes.headBytes }),
      metrics: {
        accuracy: measure(test?.accuracy),
        accuracyLow: measure(test?.interval?.low),
        accuracyHigh: measure(test?.interval?.high),
        macroF1: measure(test?.macroF1),
        ece: measure(test?.ece),
        nll: measure(test?.nll),
        testRows: report.split.testRows,
        crossValidatedAccuracy: measure(crossValidation?.accuracy),
        crossValidatedNll: measure(crossValidation?.nll),
      },
      lineage: {
        encoder: encoder.model,
        precision: encoder.precision,
        dataHash: data.summary.sha256,
        ...(data.testSummary && { testHash: data.testSummary.sha256 }),
        trainRows: report.split.trainRows,
        method: request.method,
        seed: request.seed,
        folds: request.folds,
        testFraction: data.testSummary ? null : request.testFraction,
        balance: request.balance,
        command: request.command.slice(0, MAX_COMMAND_LENGTH),
      },
      files: [
        { path: HEAD_FILE, source: { bytes } },
        ...(['markdown', 'json', 'html'] as const).map((kind) => ({
          path: REPORT_FILES[kind],
          source: { bytes: new TextEncoder().encode(files[kind]) },
        })),
      ],
    },
    { signal: request.signal },
  )
  return version
}

/** A number that JSON can carry; null where it is unknown. */
function measure(value: number | null | undefined): number | null {
  return value != null && Number.isFinite(value) ? value : null
}
