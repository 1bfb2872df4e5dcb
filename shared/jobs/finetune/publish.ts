import { createHash } from 'node:crypto'
import { encodeHead } from '../../head/encode.ts'
import type { Head } from '../../head/head.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import { collectHeadMetrics } from '../../versions/head-metrics.ts'
import { describeHead, HEAD_FILE, REPORT_FILES } from '../../versions/head-version.ts'
import { readPublishable } from '../../versions/publishable.ts'
import type { FineTuneData } from './data.ts'
import type { FineTuneClassifierRequest } from './request.ts'

const MAX_COMMAND_LENGTH = 10_000

/** What both versions tell of where they come from. */
export interface FineTuneOrigin {
  readonly request: FineTuneClassifierRequest
  readonly data: FineTuneData
  /** The base, as `name@v1`, and its family. */
  readonly base: { readonly model: string; readonly family: string }
  readonly settings: Readonly<Record<string, number | string | boolean | null>>
  /** Share of the tuned weights in the mix with the base's. */
  readonly alpha: number
}

interface Published {
  readonly version: RegistryVersion
  readonly created: boolean
}

/** Publishes the tuned encoder: its files, its card, and what it was made from. */
export async function publishTunedEncoder(
  registry: Registry,
  folder: string,
  origin: FineTuneOrigin,
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { request, base, settings, alpha } = origin
  const { description, files } = await readPublishable(folder, 'embedding')
  const lineage = { ...description.lineage, ...describeOrigin(origin), classifier: request.name }
  const mixed = alpha === 1 ? '' : `, ${alpha} of the way from the base`
  const publication = {
    ...description,
    metadata: { ...description.metadata, alpha },
    name: request.encoderName,
    files,
    lineage,
    description:
      `${base.model} fine-tuned for the classifier ${request.name} (${settings.Loss}, ${settings.Trained}${mixed}); ` +
      `the report lies with the version of ${request.name} that names this encoder`,
    ...(request.by !== undefined && { createdBy: request.by }),
  }
  const { onProgress, idempotencyKey } = request
  const options = { signal, onProgress }
  if (idempotencyKey === undefined) return registry.publish(publication, options)
  const idempotencyContent = describeInput(origin)
  const keyed = await registry.publish(
    { ...publication, idempotencyKey, idempotencyContent },
    options,
  )
  const isSame = keyed.version.family === description.family
  // A training that time or Ctrl-C ended early gave other weights before; a head that names them stays.
  const isHeld = await hasKeyed(registry, request.name, idempotencyKey, signal)
  return isSame || isHeld ? keyed : registry.publish(publication, options)
}

/** Publishes the head with its report, metrics and lineage. */
export async function publishTunedHead(
  registry: Registry,
  parts: {
    readonly head: Head
    readonly method: string
    readonly report: TrainingReport
    readonly files: { readonly markdown: string; readonly json: string; readonly html: string }
  },
  origin: FineTuneOrigin,
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { head, method, report, files } = parts
  const { request, data } = origin
  const { encoder, fineTuning } = report
  const bytes = encodeHead(head)
  const why = fineTuning?.head.why ?? ''
  const [frozen] = fineTuning?.contenders ?? []
  return registry.publish(
    {
      name: request.name,
      kind: 'classifier',
      family: head.family,
      fingerprint: encoder.fingerprint,
      description: request.description,
      createdBy: request.by,
      idempotencyKey: request.idempotencyKey,
      idempotencyContent: describeInput(origin),
      metadata: {
        ...describeHead(head, { method, why, headBytes: bytes.length }),
        alpha: origin.alpha,
      },
      metrics: { ...collectHeadMetrics(report), frozenAccuracy: frozen?.accuracy ?? null },
      lineage: {
        ...describeOrigin(origin),
        encoder: encoder.model,
        precision: encoder.precision,
        base: origin.base.model,
        ...(data.testSummary && { testHash: data.testSummary.sha256 }),
        method: request.method,
        folds: request.folds,
        testFraction: data.testSummary ? null : request.testFraction,
      },
      files: [
        { path: HEAD_FILE, source: { bytes } },
        ...(['markdown', 'json', 'html'] as const).map((kind) => ({
          path: REPORT_FILES[kind],
          source: { bytes: new TextEncoder().encode(files[kind]) },
        })),
      ],
    },
    { signal },
  )
}

function describeOrigin({ request, data, base, settings, alpha }: FineTuneOrigin) {
  return {
    encoder: base.model,
    dataHash: data.summary.sha256,
    trainRows: data.train.length,
    seed: request.seed,
    balance: request.balance,
    fineTuning: settings,
    alpha,
    command: request.command.slice(0, MAX_COMMAND_LENGTH),
  }
}

/** What has to be the same under the same key: all that a fine-tuning hangs on, not what came of it. */
function describeInput({ request, data, base, settings }: FineTuneOrigin): string {
  const { method, seed, folds, testFraction, validationFraction, balance, memory } = request
  const { Threads: _, ...wanted } = settings
  return JSON.stringify([
    data.summary.sha256,
    data.testSummary?.sha256 ?? testFraction,
    base.family,
    wanted,
    { method, seed, folds, validationFraction, balance, memory, precision: request.precision },
  ])
}

async function hasKeyed(
  registry: Registry,
  name: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const wanted = createHash('sha256').update(key).digest('hex')
  for (const number of (await registry.listVersions(name, { signal })).toReversed()) {
    const { idempotencyHash } = await registry.getVersion(name, number, { signal })
    if (idempotencyHash === wanted) return true
  }
  return false
}
