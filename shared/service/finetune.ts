import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { EspalierError } from '../lib/errors.ts'
import { checkModelName } from '../registry/names.ts'
import { checkLayers, findTrainableBase, type TrainableBase } from './finetune-base.ts'
import { conclude } from './finetune-conclude.ts'
import { readFineTuneData } from './finetune-data.ts'
import { fitFrozen, tuneEncoder } from './finetune-encoder.ts'
import { makeScratch } from './finetune-export.ts'
import type {
  FineTuneClassifierRequest,
  FineTuneClassifierResult,
  FineTuneDeps,
} from './finetune-request.ts'
import { chooseSettings } from './finetune-settings.ts'
import { loadFineTuning } from './finetune-tools.ts'
import { judgeTuned } from './finetune-verdict.ts'
import { checkTargetKind } from './publish-model.ts'
import { createStopwatch } from './stopwatch.ts'

/**
 * Trains an encoder and a head on labelled rows and publishes both, the encoder first: rows, split, frozen head,
 * training, export, head on the tuned vectors, judgement beside the frozen head, report, versions, promotion.
 * Nothing is visible before all of it but the publication is done.
 * @throws EspalierError `invalid_data`, `invalid_name`, `invalid_request`, `unsupported_model`, `not_better`, and
 *   what encoder, trainer, exporter and registry throw
 */
export async function fineTuneClassifier(
  deps: FineTuneDeps,
  request: FineTuneClassifierRequest,
): Promise<FineTuneClassifierResult> {
  const base = await checkRequest(deps, request)
  const watch = createStopwatch(deps)
  const data = await readFineTuneData(request)
  const tools = await loadFineTuning()
  const settings = chooseSettings(request, data, base.source.maxTokens, tools)
  watch.finish('reading')
  const scratch = await makeScratch(deps.scratchFolder, randomUUID(), deps.clock.wallMs())
  const kernels = await deps.openKernels()
  try {
    const job = { deps, request, data, settings, tools, kernels, watch, scratch }
    const frozen = await fitFrozen(job)
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
): Promise<TrainableBase> {
  const { name, encoderName, base, tuning, signal } = request
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
  const found = await findTrainableBase(deps, base)
  checkLayers(base, found, tuning.layers)
  return found
}
