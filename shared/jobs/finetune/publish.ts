import { createHash } from 'node:crypto'
import { encodeHead } from '../../head/encode.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import { readPublishable } from '../../versions/publishable.ts'
import { describeRowPlaces } from '../../versions/row-places.ts'
import { headFiles, publishOrKeep } from '../heads/keep-unpublished.ts'
import type { EncoderBelow } from '../heads/make-head.ts'
import {
  describeCommand,
  describeInputs,
  type HeadOrigin,
  listSplitInputs,
} from '../heads/publish.ts'
import type { FineTunedHead } from './fit.ts'
import { describeSettings } from './settings.ts'

/** Publishes the tuned encoder, unless the base stays as it was. */
export async function publishEncoder(fit: FineTunedHead): Promise<EncoderBelow> {
  const { job, base, folder } = fit
  const { dryRun, encoderName } = job.request
  if (folder === null) return { model: formatModelVersion(base.encoder), version: null }
  if (dryRun) return { model: `${encoderName} (not published)`, version: null }
  const { deps, request } = job
  const version = await publishOrKeep(deps, () => publishFolder(fit, folder), [
    { name: encoderName, content: folder },
    { name: request.name, content: headFiles(encodeHead(fit.trained.head)) },
  ])
  return { model: formatModelVersion(version), version }
}

/** What the version of the head tells of how it was made. */
export function describeTuned(fit: FineTunedHead, { fineTuning }: TrainingReport): HeadOrigin {
  const { job, base, result } = fit
  const { alpha } = result.blend
  const [frozen] = fineTuning?.contenders ?? []
  return {
    settings: job.request,
    lineage: {
      ...{ base: formatModelVersion(base.encoder), fineTuning: tellSettings(fit), alpha },
      ...describeRowPlaces({ train: job.request.data, test: job.request.test }),
    },
    metadata: { alpha },
    metrics: { frozenAccuracy: frozen?.accuracy ?? null },
    inputs: listInputs(fit),
  }
}

/** Publishes the tuned encoder's files with its card and what it was made from. */
async function publishFolder(fit: FineTunedHead, folder: string): Promise<RegistryVersion> {
  const { job, base, result, signal } = fit
  const { request, data, deps } = job
  const { registry } = deps
  const { alpha } = result.blend
  const model = formatModelVersion(base.encoder)
  const settings = tellSettings(fit)
  const { description, files } = await readPublishable(folder, 'embedding')
  const interpolated = alpha === 1 ? '' : `, interpolated with the base at alpha ${alpha}`
  const publication = {
    ...description,
    metadata: { ...description.metadata, alpha },
    name: request.encoderName,
    files,
    lineage: {
      ...description.lineage,
      ...{ encoder: model, dataHash: data.summary.sha256, trainRows: data.train.length },
      ...{ seed: request.seed, balance: request.balance ?? false, fineTuning: settings, alpha },
      ...{ command: describeCommand(request), classifier: request.name },
      ...describeRowPlaces({ train: request.data, test: request.test }),
    },
    description:
      `${model} fine-tuned for the classifier ${request.name} (${settings.Loss}, ${settings.Trained}${interpolated}); ` +
      `the report lies with the version of ${request.name} that names this encoder`,
    ...(request.by !== undefined && { createdBy: request.by }),
  }
  const { onProgress, idempotencyKey } = request
  const options = { signal, onProgress }
  if (idempotencyKey === undefined) return (await registry.publish(publication, options)).version
  const idempotencyContent = describeInputs(data, request.testFraction, listInputs(fit))
  const keyed = await registry.publish(
    { ...publication, idempotencyKey, idempotencyContent },
    options,
  )
  const isSame = keyed.version.family === description.family
  // A training that time or Ctrl-C ended early gave other weights before; a head that names them stays.
  const isHeld = await hasKeyed(registry, request.name, idempotencyKey, signal)
  return isSame || isHeld ? keyed.version : (await registry.publish(publication, options)).version
}

function tellSettings({ job: { settings, data } }: FineTunedHead) {
  return describeSettings(settings, data.modality)
}

/** All that a fine-tuning hangs on beside its rows, not what came of it. */
function listInputs(fit: FineTunedHead): readonly unknown[] {
  const { request } = fit.job
  const { method, seed, folds, validationFraction, balance = false, memory } = request
  const { precision, textReading, optimise, classWeight } = request
  const { Threads: _, ...wanted } = tellSettings(fit)
  const { family } = fit.base.encoder
  return [
    family,
    wanted,
    {
      ...{ method, seed, folds, validationFraction, balance, memory, precision, textReading },
      ...{ optimise, classWeight },
      ...listSplitInputs(request, fit.job.data),
    },
  ]
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
