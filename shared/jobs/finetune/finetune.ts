import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import { option, say, type Wording } from '../../lib/wording.ts'
import { checkModelName } from '../../registry/records/names.ts'
import { checkTargetKind } from '../../versions/publish-model.ts'
import { makeHead } from '../heads/make-head.ts'
import { settleSplit } from '../heads/settle-split.ts'
import { embedData } from '../heads/vectors.ts'
import { type BaseFolder, chooseTrainable, findBaseFolder } from './base.ts'
import { divideData, type FineTuneData, readFineTuneData } from './data.ts'
import { makeScratch } from './export.ts'
import { fitTuned } from './fit.ts'
import { loadFineTuning } from './job.ts'
import { describeTuned, publishEncoder } from './publish.ts'
import { describeFineTuning, objectToTuned } from './report.ts'
import type {
  FineTuneClassifierRequest,
  FineTuneClassifierResult,
  FineTuneDeps,
} from './request.ts'
import { chooseSettings } from './settings.ts'
import { encoderDeps } from './vectors.ts'

/**
 * Trains an encoder and a head on labelled rows and publishes both, the encoder first. The head is compared with one
 * on the frozen encoder, on the same test rows; where tuning does not pay nothing is published, and the result says why.
 * @throws EspalierError `invalid_data`, `invalid_name`, `invalid_request`, `unsupported_model`, and what encoder,
 *   trainer, exporter and registry throw
 */
export async function fineTuneClassifier(
  deps: FineTuneDeps,
  asked: FineTuneClassifierRequest,
): Promise<FineTuneClassifierResult> {
  const base = await checkRequest(deps, asked)
  const { precisions, ...limits } = describeBase(base, asked)
  const request = { ...asked, precision: precisions[0] ?? asked.precision }
  const scratch = join(deps.scratchFolder, randomUUID())
  try {
    const { fit, ...result } = await makeHead(deps, request, {
      fix: say`pass ${option('test', 'FILE')}`,
      async read() {
        const data = await readFineTuneData(request)
        checkModality(request, data, base)
        // What does not fit is refused before anything is embedded.
        chooseSettings(request, data, limits, await loadFineTuning())
        return data
      },
      async embed(found, { reading, onProgress, signal }) {
        const choice = { model: request.base, precision: request.precision, signal }
        const options = { reading, onProgress, signal }
        const { data, ...set } = await embedData(encoderDeps(deps, choice), found, options)
        return { ...set, data: data === found ? data : divideData(data, request) }
      },
      async split(embedded, job) {
        const set = await settleSplit(embedded, request, job)
        return set === embedded ? set : { ...set, data: divideData(set.data, request) }
      },
      async fit({ data, vectors }, { kernels, watch }) {
        const tools = await loadFineTuning()
        const settings = chooseSettings(request, data, limits, tools)
        await makeScratch(scratch, deps.clock.wallMs())
        const parts = { deps, request, data, settings, precisions }
        const place = join(scratch, 'base')
        const folder = base.modality === 'text' ? await base.prepare(place) : base.folder
        return fitTuned({ ...parts, tools, kernels, watch, scratch }, folder, vectors)
      },
      publishEncoder: (_set, fit) => publishEncoder(fit),
      report: (_set, fit, evaluated) => ({ fineTuning: describeFineTuning(fit, evaluated) }),
      origin: (_set, fit, report) => describeTuned(fit, report),
      objectTo: ({ fineTuning }) =>
        fineTuning ? objectToTuned(fineTuning.recommendation, request.precision) : null,
    })
    return { ...result, notes: fit.notes, refusal: fit.refusal ?? null }
  } finally {
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
  const refuse = (message: Wording): never => {
    throw new EspalierError('wrong_model_kind', message)
  }
  if (name === encoderName) {
    refuse(
      say`${name} cannot be both classifier and encoder; give the encoder another ${option('encoder-name')}`,
    )
  }
  if (encoders.includes(name)) {
    refuse(say`${name} is a built-in encoder; give the classifier another ${option('name')}`)
  }
  if (encoders.includes(encoderName)) {
    refuse(
      say`${encoderName} is a built-in encoder; give the tuned one another ${option('encoder-name')}`,
    )
  }
  await checkTargetKind(deps.registry, encoderName, 'embedding', signal)
  if (!request.dryRun) await deps.registry.checkWritable(encoderName, { signal })
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
  const encoder = option('encoder', base)
  const message = say`${summary.source} holds ${nouns[modality]}, ${encoder} is an encoder of ${nouns[found.modality]}: name one of ${nouns[modality]}`
  throw new EspalierError('wrong_modality', message, { param: 'encoder' })
}
