import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import { checkModelName } from '../../registry/records/names.ts'
import { checkTargetKind } from '../../versions/publish-model.ts'
import { createStopwatch } from '../rows/stopwatch.ts'
import { type BaseFolder, chooseTrainable, findBaseFolder } from './base.ts'
import { conclude } from './conclude.ts'
import { type FineTuneData, readFineTuneData } from './data.ts'
import { fitFrozen, tuneEncoder } from './encoder.ts'
import { makeScratch } from './export.ts'
import type {
  FineTuneClassifierRequest,
  FineTuneClassifierResult,
  FineTuneDeps,
} from './request.ts'
import { chooseSettings } from './settings.ts'
import { loadFineTuning } from './tools.ts'
import { embedReadable } from './vectors.ts'
import { judgeTuned } from './verdict.ts'

/**
 * Trains an encoder and a head on labelled rows and publishes both, the encoder first: rows, split, frozen head,
 * training, export, head on the tuned vectors, judgement beside the frozen head, report, versions, promotion.
 * Nothing is visible before all of it but the publication is done.
 * @throws EspalierError `invalid_data`, `invalid_name`, `invalid_request`, `unsupported_model`, `not_better`, and
 *   what encoder, trainer, exporter and registry throw
 */
export async function fineTuneClassifier(
  deps: FineTuneDeps,
  asked: FineTuneClassifierRequest,
): Promise<FineTuneClassifierResult> {
  const base = await checkRequest(deps, asked)
  const { precisions, ...limits } = describeBase(base, asked)
  const request = { ...asked, precision: precisions[0] ?? asked.precision }
  const watch = createStopwatch(deps)
  const found = await readFineTuneData(request)
  checkModality(request, found, base)
  const tools = await loadFineTuning()
  // What does not fit is refused before anything is embedded.
  chooseSettings(request, found, limits, tools)
  watch.finish('reading')
  const scratch = await makeScratch(deps.scratchFolder, randomUUID(), deps.clock.wallMs())
  const kernels = await deps.openKernels()
  try {
    const { data, vectors } = await embedReadable(deps, found, request)
    watch.finish('embedding')
    const settings = chooseSettings(request, data, limits, tools)
    const parts = { deps, request, data, settings, precisions }
    const job = { ...parts, tools, kernels, watch, scratch }
    const frozen = await fitFrozen(job, vectors)
    const tuned = await tuneEncoder(job, base.folder, frozen)
    const verdict = await judgeTuned(job, frozen, tuned)
    watch.finish('evaluation')
    return await conclude(job, frozen, tuned, verdict)
  } finally {
    await kernels.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

/** What could not be trained or published is refused before any work is done for it. */
async function checkRequest(
  deps: FineTuneDeps,
  request: FineTuneClassifierRequest,
): Promise<BaseFolder> {
  const { name, encoderName, base, signal } = request
  checkModelName(name)
  checkModelName(encoderName)
  const encoders = (await deps.builtinEncoders()).map((encoder) => encoder.toLowerCase())
  const refuse = (message: string): never => {
    throw new EspalierError('wrong_model_kind', message)
  }
  if (name === encoderName) {
    refuse(`${name} cannot be both classifier and encoder; give the encoder another --encoder-name`)
  }
  if (encoders.includes(name)) {
    refuse(`${name} is a built-in encoder; give the classifier another --name`)
  }
  if (encoders.includes(encoderName)) {
    refuse(`${encoderName} is a built-in encoder; give the tuned one another --encoder-name`)
  }
  await checkTargetKind(deps.registry, name, 'classifier', signal)
  await checkTargetKind(deps.registry, encoderName, 'embedding', signal)
  return findBaseFolder(deps, base)
}

/** What the base says of the training: layers, longest text, and precisions, the served one first. */
function describeBase(found: BaseFolder, request: FineTuneClassifierRequest) {
  const { base, precision, tuning } = request
  const trainable = chooseTrainable(base, found, tuning.layers)
  if (found.modality === 'image') {
    return { trainable, maxTokens: Number.POSITIVE_INFINITY, precisions: ['float32'] as const }
  }
  const precisions = [...new Set<Precision>([precision, 'float32', 'int8'])]
  return { trainable, maxTokens: found.maxTokens, precisions }
}

/** @throws EspalierError `wrong_modality` for texts on an encoder of images, and the other way round */
function checkModality(
  { base }: FineTuneClassifierRequest,
  { modality = 'text', summary }: FineTuneData,
  found: BaseFolder,
): void {
  if (modality === found.modality) return
  const nouns = { text: 'texts', image: 'images' } as const
  const message =
    `${summary.source} holds ${nouns[modality]}, --base ${base} is an encoder of ${nouns[found.modality]}: ` +
    `name one of ${nouns[modality]}`
  throw new EspalierError('wrong_modality', message, { param: 'base' })
}
