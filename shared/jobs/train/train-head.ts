import type { EncoderInfo } from '../../encoder/types.ts'
import { encodeHead } from '../../head/encode.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { Progress } from '../../lib/logger.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { checkModelName } from '../../registry/records/names.ts'
import { checkTargetKind, wasPromoted } from '../../versions/publish-model.ts'
import { checkChampion, promoteVersion } from '../heads/champion.ts'
import { readTrainingData } from '../heads/data.ts'
import { judgeHead, toTrainingSet } from '../heads/evaluation.ts'
import { inputOf, readableData } from '../heads/leave-out-unreadable.ts'
import { publishHead } from '../heads/publish.ts'
import { assembleReport } from '../heads/report.ts'
import type {
  LayerOptions,
  Promotion,
  TrainHeadDeps,
  TrainHeadRequest,
  TrainHeadResult,
} from '../heads/request.ts'
import { makeThumbnails, SHOWN_MISTAKES } from '../heads/thumbnails.ts'
import { loadTraining } from '../heads/tools.ts'
import { embedForJob } from '../rows/embed-for-job.ts'
import { createStopwatch } from '../rows/stopwatch.ts'
import { type ChosenLayer, chooseLayer, publishLayer } from './choose-layer.ts'

/** Wrong texts that a report quotes of each confusion, where it may. */
const QUOTES = 3

/**
 * Trains a classifier on labelled rows and publishes it as a new version: rows, split, embeddings, fit,
 * judgement on rows held out, report, version, promotion. Nothing is visible before the version is published
 * whole; the alias moves after that.
 * @throws EspalierError `invalid_data`, `invalid_name`, `wrong_model_kind`, and what encoder and registry throw
 */
export async function trainHead(
  deps: TrainHeadDeps,
  request: TrainHeadRequest,
): Promise<TrainHeadResult> {
  const { name, seed, onProgress, signal } = request
  checkModelName(name)
  await checkTargetKind(deps.registry, name, 'classifier', signal)
  const watch = createStopwatch(deps)
  const found = await readTrainingData(request)
  watch.finish('reading')
  const layer = deps.layers && (await chooseLayer(deps, deps.layers, found, request))
  if (layer?.report) watch.finish('layers')
  const inputs = [...found.train, ...found.test].map(inputOf)
  const check = (encoder: EncoderInfo) => checkOtherName(name, encoder)
  const job = layer ? { ...deps, openEncoder: openerOf(deps.layers!, layer) } : deps
  const embedded = await embedForJob(job, inputs, { check, onProgress, signal })
  watch.finish('embedding')
  const { encoder } = embedded
  const readable = readableData(found, embedded.embeddings, embedded.unreadable)
  const { data, trainVectors, testVectors } = readable
  const kernels = await deps.openKernels()
  try {
    const tools = await loadTraining()
    const { classes: labels, multiLabel } = data
    const set = toTrainingSet(data.train, trainVectors, encoder.dimension, { labels, multiLabel })
    const { method, folds, balance, memory } = request
    const standard = data.modality === 'image' ? 'softmax' : 'softmax+lda'
    const trained = await tools.trainHead(
      set,
      { family: encoder.family, method, seed, folds, balance, memory, standard },
      { kernels, onProgress, signal },
    )
    watch.finish('training')
    signal?.throwIfAborted()
    const { head } = trained
    const quotes = request.quoteTexts ? QUOTES : 0
    const mistakes = data.modality === 'image' && request.thumbnails ? SHOWN_MISTAKES : 0
    const judging = { tools, kernels, seed, quotes, mistakes }
    const judgement =
      data.test.length > 0 ? await judgeHead(head, data.test, testVectors, judging) : null
    const fitted = await tools.evaluateHead(head, set, kernels)
    const contender = {
      head,
      test: data.test,
      embeddings: testVectors,
      correct: judgement?.correct ?? new Uint8Array(0),
    }
    const champion = await checkChampion(deps.registry, name, contender, { ...judging, signal })
    watch.finish('evaluation')
    const bytes = encodeHead(head)
    signal?.throwIfAborted()
    const isNew = layer?.isOther === true && !request.dryRun
    const report = assembleReport({
      request,
      data,
      encoder: isNew ? await publishLayer(deps.registry, encoder, layer.folder, request) : encoder,
      layers: layer?.report,
      trained,
      judgement,
      fittedAccuracy: fitted.accuracy,
      comparison: champion.comparison,
      headBytes: bytes.length,
      timings: watch.timings,
      createdMs: deps.clock.wallMs(),
    })
    const wrong = judgement?.test.mistakes ?? []
    const thumbnails = await makeThumbnails(deps.openThumbnailer, data.test, wrong)
    const files = tools.renderReport(report, thumbnails)
    signal?.throwIfAborted()
    const { version, created } = request.dryRun
      ? { version: null, created: false }
      : await publishHead(deps.registry, { head, bytes, trained, report, files, request, data })
    let promotion: Promotion = { status: 'none' }
    if (version !== null && request.promote !== 'no') {
      const again = !created && (await wasPromoted(deps.registry, version, signal))
      promotion = again
        ? { status: 'promoted-before' }
        : await promoteVersion(deps.registry, version, champion, {
            force: request.promote === 'always',
            by: request.by,
            reason: request.reason,
            signal,
          })
    }
    const { cached, computed, truncated } = embedded
    const embeddings = { cached, computed, truncated }
    return { version, created, report, files, warnings: data.warnings, promotion, embeddings }
  } finally {
    await kernels.close()
  }
}

function openerOf({ openArtifact }: LayerOptions, { folder }: ChosenLayer) {
  return (onProgress?: Progress) => openArtifact(folder, onProgress)
}

function checkOtherName(name: string, encoder: EncoderInfo): void {
  if (name !== encoder.name) return
  throw new EspalierError(
    'wrong_model_kind',
    `${formatModelVersion(encoder)} is the encoder itself; give the classifier another --name`,
  )
}
