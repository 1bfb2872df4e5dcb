import type { Head } from '../../head/head.ts'
import { HEAD_FILE } from '../../lib/manifests/head-header.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import type { TrainedHead } from '../../training/types.ts'
import {
  ANSWERS_FILE,
  collectHeadMetrics,
  describeHead,
  type HeadCard,
  REPORT_FILES,
} from '../../versions/head-version.ts'
import type { TrainingData } from './data.ts'
import type { HeadRequest, ReportFiles, TrainHeadRequest } from './request.ts'

type Facts<Value> = Readonly<Record<string, Value>>

/** What a version tells of how it was made. */
export interface HeadOrigin {
  readonly settings: Pick<
    TrainHeadRequest,
    'folds' | 'balance' | 'testFraction' | 'optimise' | 'classWeight'
  > & {
    readonly method: string
  }
  /** Beside what every lineage says. */
  readonly lineage?: Parameters<Registry['publish']>[0]['lineage']
  readonly metadata?: Facts<number>
  readonly metrics?: Facts<number | null>
  /**
   * What has to be the same under the same idempotency key, beside the rows: all that the job hangs on, not what
   * its report says of times.
   */
  readonly inputs: readonly unknown[]
}

/** A head that is ready to become a version. */
export interface PublishableHead {
  readonly request: HeadRequest
  readonly data: TrainingData
  readonly trained: Pick<TrainedHead, 'method' | 'why'> & { readonly head: Head }
  /** The head as its file. */
  readonly bytes: Uint8Array
  /** What is known of its answers, as its file. */
  readonly answers: Uint8Array | null
  /** Which of its answers are given, for its card. */
  readonly abstention: HeadCard['abstention']
  readonly report: TrainingReport
  readonly files: ReportFiles
  readonly origin: HeadOrigin
}

const MAX_COMMAND_LENGTH = 10_000

/** Publishes a head with its report, metrics and lineage; `created` is false where its key had made it before. */
export async function publishHead(
  registry: Registry,
  { request, data, trained, bytes, answers, abstention, report, files, origin }: PublishableHead,
  signal: AbortSignal | undefined,
): Promise<{ readonly version: RegistryVersion; readonly created: boolean }> {
  const { head, method, why } = trained
  const { encoder, sizes } = report
  const { joinedColumns } = data.summary
  const { folds, balance = false, testFraction, optimise, classWeight } = origin.settings
  return registry.publish(
    {
      name: request.name,
      kind: 'classifier',
      family: head.family,
      fingerprint: encoder.fingerprint,
      description: request.description,
      createdBy: request.by,
      idempotencyKey: request.idempotencyKey,
      idempotencyContent: describeInputs(data, testFraction, origin.inputs),
      metadata: {
        ...describeHead(head, {
          ...{ method, why, headBytes: sizes.headBytes },
          ...(joinedColumns && { joinedColumns: [...joinedColumns] }),
          ...(abstention && { abstention }),
        }),
        ...origin.metadata,
      },
      metrics: { ...collectHeadMetrics(report), ...origin.metrics },
      lineage: {
        encoder: encoder.model,
        precision: encoder.precision,
        dataHash: data.summary.sha256,
        ...(data.testSummary && { testHash: data.testSummary.sha256 }),
        trainRows: data.train.length,
        method: origin.settings.method,
        seed: request.seed,
        folds,
        testFraction: data.testSummary ? null : testFraction,
        balance,
        ...(optimise && { optimise }),
        ...(classWeight && { classWeight }),
        ...origin.lineage,
        command: describeCommand(request),
      },
      files: [
        { path: HEAD_FILE, source: { bytes } },
        ...(answers ? [{ path: ANSWERS_FILE, source: { bytes: answers } }] : []),
        ...(['markdown', 'json', 'html'] as const).map((kind) => ({
          path: REPORT_FILES[kind],
          source: { bytes: new TextEncoder().encode(files[kind]) },
        })),
      ],
    },
    { signal },
  )
}

/** The command line as lineages keep it. */
export function describeCommand({ command }: Pick<HeadRequest, 'command'>): string {
  return command.slice(0, MAX_COMMAND_LENGTH)
}

/** What of a request and its rows decides on the split, where it is not the usual. */
export function listSplitInputs(
  {
    reading: { groupColumn, timeColumn },
    nearDuplicates,
  }: Pick<TrainHeadRequest, 'reading' | 'nearDuplicates'>,
  { periods }: Pick<TrainingData, 'periods'>,
) {
  return {
    ...(groupColumn !== undefined && { groupColumn }),
    ...(nearDuplicates === 'ignore' && { nearDuplicates }),
    ...(timeColumn !== undefined && { timeColumn, periods }),
  }
}

/** What has to be the same under the same idempotency key, as text. */
export function describeInputs(
  { summary, testSummary }: TrainingData,
  testFraction: number,
  inputs: readonly unknown[],
): string {
  return JSON.stringify([summary.sha256, testSummary?.sha256 ?? testFraction, ...inputs])
}
