import { join } from 'node:path'
import type { LabelledExample } from '../../dataset/examples.ts'
import type {
  FineTuneProgress,
  FineTuneResult,
  FineTuneSettings,
  Interpolation,
} from '../../finetune/types.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { Progress } from '../../lib/logger.ts'
import { hint, option, say, task, type Wording } from '../../lib/wording.ts'
import { toLabelledTexts } from './data.ts'
import type { FineTuneJob } from './job.ts'

/** Tuned weights in a folder, and what is to be said of the training. */
export interface TunedWeights {
  readonly folder: string
  readonly result: FineTuneResult
  readonly notes: readonly Wording[]
  /** Ctrl-C ended the training: what follows must not end too. */
  readonly cancelled: boolean
  /** Why the tuned weights do not pay, as a sentence; the folder then has those of the base. */
  readonly refusal?: Wording | undefined
}

/**
 * Trains in the worker. Ctrl-C ends the training and keeps the best weights; any other abortion ends the job.
 * @throws EspalierError `request_cancelled` or `invalid_request` where nothing was learnt by then
 */
export async function trainWeights(
  { deps, request, data, settings, tools, scratch }: FineTuneJob,
  { baseFolder, prompt }: { readonly baseFolder: string; readonly prompt: string },
): Promise<TunedWeights> {
  const { signal, onProgress } = request
  const folder = request.output ?? join(scratch, 'weights')
  const result = await tools.fineTune(deps, {
    baseFolder,
    outputFolder: folder,
    train: toLabelledTexts(data.learnt, data.classes, prompt),
    validation: toLabelledTexts(data.validation, data.classes, prompt),
    settings,
    maxImagePixels: deps.maxImagePixels,
    imageCheck: deps.imageCheck,
    loadImage: (set, row) => loadImage(set === 'train' ? data.learnt : data.validation, row),
    onProgress: onProgress && ((progress) => reportProgress(onProgress, progress)),
    signal,
  })
  const cancelled = result.stopped === 'cancelled'
  if (cancelled && signal?.reason !== 'SIGINT') signal?.throwIfAborted()
  const refusal = explainUnlearnt(result, settings)
  return { folder, result, notes: noteEnd(result, settings), cancelled, refusal }
}

/** @throws EspalierError `invalid_data` where it cannot be read any more */
function loadImage(rows: readonly LabelledExample[], row: number): Promise<Uint8Array> {
  const image = rows[row]?.image
  if (image) return image.load()
  throw new EspalierError('internal', `row ${row} is no image`)
}

function reportProgress(onProgress: Progress, progress: FineTuneProgress): void {
  const { phase, step, steps, loss, validationAccuracy, secondsLeft } = progress
  const told = [
    loss === null ? '' : `loss ${loss.toFixed(3)}`,
    validationAccuracy === null ? '' : `validation ${(100 * validationAccuracy).toFixed(1)} %`,
    secondsLeft === null ? '' : `${formatSeconds(secondsLeft)} left`,
  ]
  const isTraining = phase === 'training' || phase === 'evaluating'
  // An evaluation is part of training: one bar for both.
  onProgress(isTraining ? 'training' : phase, step, steps, told.filter(Boolean).join(', '))
}

function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  return whole < 60
    ? `${whole}s`
    : `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`
}

/** Why nothing was learnt that pays; undefined where something was. */
function explainUnlearnt(
  { stopped, bestStep, steps, blend }: FineTuneResult,
  settings: FineTuneSettings,
): Wording | undefined {
  if (bestStep > 0 && blend.alpha > 0) return undefined
  if (stopped === 'diverged' && bestStep === 0) {
    throw new EspalierError(
      'invalid_request',
      say`training diverged: the loss was no number after ${steps} steps, before anything was learnt, and nothing is published; lower ${option('learning-rate')} (${settings.learningRate}) or ${option('head-learning-rate')} (${settings.headLearningRate})`,
    )
  }
  if (stopped === 'cancelled' && bestStep === 0) {
    throw new EspalierError(
      'request_cancelled',
      'interrupted before anything was learnt: nothing is published',
    )
  }
  if (blend.scores.length > 0) return explainUnbeaten(blend)
  const alternative = hint(say`, or ${task('train')}`)
  return say`after ${steps} steps the weights of the base are still the best on the validation rows: nothing is published; try another ${option('learning-rate')} or more ${option('epochs')}${alternative}`
}

/** Why no interpolated weights are published, in one line. */
function explainUnbeaten({ scores, rows, basis }: Interpolation): Wording {
  const best = scores.slice(1).reduce((a, b) => (b.accuracy > a.accuracy ? b : a))
  const share = (value: number) => (100 * value).toFixed(1)
  const base = scores[0]?.accuracy ?? 0
  const isCrossed = basis === 'cross-validation'
  const where = isCrossed ? 'rows by cross-validation' : 'validation rows'
  const alternative = hint(say`: use ${task('train')}`)
  return say`no tuned weights ${isCrossed ? 'clearly ' : ''}beat the base's: a classifier is right on ${share(base)} % of ${rows} ${where} with the base, on at most ${share(best.accuracy)} % with tuned weights (alpha ${best.alpha}); no encoder is published${alternative}`
}

function noteEnd(
  { stopped, steps, bestStep, truncated }: FineTuneResult,
  settings: FineTuneSettings,
) {
  const notes: Wording[] = []
  const kept = `the weights of step ${bestStep} were kept`
  if (stopped === 'diverged') {
    notes.push(
      say`training diverged after ${steps} steps (the loss was no number); ${kept}: lower ${option('learning-rate')} (${settings.learningRate})`,
    )
  }
  if (stopped === 'cancelled') notes.push(say`interrupted after ${steps} steps; ${kept}`)
  const cut = truncated.train + truncated.validation
  if (cut > 0) {
    const texts = cut === 1 ? '1 text was' : `${cut} texts were`
    notes.push(say`${texts} cut at ${settings.maxTokens} tokens while training`)
  }
  return notes
}
