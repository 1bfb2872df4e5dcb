import type { Head } from '../../head/head.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import type { TrainedHead } from '../../training/types.ts'
import { collectHeadMetrics } from '../../versions/head-metrics.ts'
import { describeHead, HEAD_FILE, REPORT_FILES } from '../../versions/head-version.ts'
import type { TrainingData } from './data.ts'
import type { TrainHeadRequest } from './request.ts'

/** A head that is ready to become a version. */
export interface PublishableHead {
  readonly head: Head
  /** The head as its file. */
  readonly bytes: Uint8Array
  readonly trained: TrainedHead
  readonly report: TrainingReport
  readonly files: { readonly markdown: string; readonly json: string; readonly html: string }
  readonly request: Omit<TrainHeadRequest, 'data' | 'reading' | 'promote' | 'method'> & {
    readonly method: string
  }
  readonly data: TrainingData
  /** What an adaptation looked at besides. */
  readonly target?: Readonly<Record<string, string | number>>
}

const MAX_COMMAND_LENGTH = 10_000

/** Publishes a head with its report, metrics and lineage; `created` is false where its key had made it before. */
export async function publishHead(
  registry: Registry,
  publishable: PublishableHead,
): Promise<{ readonly version: RegistryVersion; readonly created: boolean }> {
  const { head, bytes, trained, report, files, request, data } = publishable
  const { method, why } = trained
  const { encoder, sizes } = report
  return registry.publish(
    {
      name: request.name,
      kind: 'classifier',
      family: head.family,
      fingerprint: encoder.fingerprint,
      description: request.description,
      createdBy: request.by,
      idempotencyKey: request.idempotencyKey,
      idempotencyContent: describeInput(publishable),
      metadata: describeHead(head, { method, why, headBytes: sizes.headBytes }),
      metrics: collectHeadMetrics(report),
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
        ...publishable.target,
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
}

/** What has to be the same under the same key: all that a training hangs on, not what its report says of times. */
function describeInput({ report, request, data, target }: PublishableHead): string {
  const { method, seed, folds, testFraction, balance, memory } = request
  return JSON.stringify([
    data.summary.sha256,
    data.testSummary?.sha256 ?? testFraction,
    report.encoder.fingerprint,
    { method, seed, folds, balance, memory, ...target },
  ])
}
