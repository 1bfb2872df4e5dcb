import { access, constants, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { FineTuneRequest, FineTuneSettings, LabelledTexts } from './types.ts'

/** Fewer rows tell nothing. */
const MIN_ROWS = 5
/** Targets are kept dense: 800 MB at this many cells. */
const MAX_CELLS = 200_000_000
const MAX_BATCH = 1024
const MAX_EPOCHS = 1000
const MAX_EVALUATIONS = 100
const MAX_FOLDS = 20

/**
 * Checks rows and settings before anything is started.
 * @throws EspalierError `invalid_data` for rows, `invalid_request` for settings
 */
export function checkRequest(request: FineTuneRequest): void {
  const { train, validation, settings } = request
  checkSettings(settings, train.classes)
  checkShape('train', train)
  checkShape('validation', validation)
  if (validation.classes !== train.classes) {
    throw invalidData(`validation has ${validation.classes} classes, train ${train.classes}`)
  }
  const rows = train.texts.length
  if (train.classes < 2) {
    throw invalidData(`only ${train.classes} class: fine-tuning needs at least two`)
  }
  if (rows < MIN_ROWS || rows < train.classes) {
    const least = Math.max(MIN_ROWS, train.classes)
    throw invalidData(`train has ${rows} rows; ${train.classes} classes need at least ${least}`)
  }
  checkTargets('train', train, settings)
  checkTargets('validation', validation, settings)
  if (countUsed(train) < 2) {
    throw invalidData('all rows of train have the same class: fine-tuning needs at least two')
  }
}

/**
 * Checks before training that its result can be written.
 * @throws EspalierError `invalid_request` where the folder exists or cannot be made
 */
export async function checkOutput(folder: string): Promise<void> {
  const path = resolve(folder)
  if (await isThere(path)) {
    throw invalidSetting(`${folder} exists already; name another folder or remove it first`)
  }
  try {
    await mkdir(dirname(path), { recursive: true })
    await access(dirname(path), constants.W_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('invalid_request', `${folder} cannot be made: ${reason}`, { cause })
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function checkShape(name: string, { texts, targets, classes }: LabelledTexts): void {
  if (targets.length !== texts.length * classes) {
    throw invalidData(
      `${name} has ${targets.length} targets for ${texts.length} rows of ${classes} classes`,
    )
  }
  if (targets.length > MAX_CELLS) {
    const most = Math.floor(MAX_CELLS / classes)
    throw invalidData(`${name} has ${texts.length} rows of ${classes} classes, at most ${most} fit`)
  }
}

function checkTargets(
  name: string,
  { texts, targets, classes }: LabelledTexts,
  { loss }: FineTuneSettings,
): void {
  for (let row = 0; row < texts.length; row++) {
    let ones = 0
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      if (targets[at] !== 0 && targets[at] !== 1) {
        throw invalidData(`${name}[${row}]: target ${targets[at]} is neither 0 nor 1`)
      }
      ones += targets[at] as number
    }
    if (loss.kind !== 'binary-cross-entropy' && ones !== 1) {
      throw invalidData(
        `${name}[${row}]: ${ones} labels; ${loss.kind} needs one a row, binary-cross-entropy takes any number`,
      )
    }
  }
}

function countUsed({ texts, targets, classes }: LabelledTexts): number {
  const used = new Uint8Array(classes)
  for (let at = 0; at < texts.length * classes; at++) if (targets[at] === 1) used[at % classes] = 1
  return used.reduce((sum, one) => sum + one, 0)
}

function checkSettings(settings: FineTuneSettings, classes: number): void {
  const { loss, trainable, classWeights } = settings
  inRange('epochs', settings.epochs, 0, MAX_EPOCHS)
  wholeInRange('batchSize', settings.batchSize, 1, MAX_BATCH)
  inRange('learningRate', settings.learningRate, 0, 1e6)
  inRange('headLearningRate', settings.headLearningRate, 0, 1e6)
  inRange('warmup', settings.warmup, 0, 1)
  inRange('weightDecay', settings.weightDecay, 0, 1)
  inRange('clip', settings.clip, Number.MIN_VALUE, 1e9)
  inRange('evaluationsPerEpoch', settings.evaluationsPerEpoch, 0.01, MAX_EVALUATIONS)
  wholeInRange('threads', settings.threads, 1, 256)
  wholeInRange('maxTokens', settings.maxTokens, 2, 32_768)
  wholeInRange('seed', settings.seed, 0, 0xffff_ffff)
  if (settings.alpha !== null) inRange('alpha', settings.alpha, Number.MIN_VALUE, 1)
  wholeInRange('folds', settings.folds, 0, MAX_FOLDS)
  if (settings.patience !== null) wholeInRange('patience', settings.patience, 1, 1000)
  if (settings.budgetMs !== null) inRange('budgetMs', settings.budgetMs, 1, 1e10)
  if (loss.kind === 'cross-entropy') inRange('smoothing', loss.smoothing, 0, 0.99)
  if (loss.kind === 'cosine-softmax') inRange('scale', loss.scale, 0.1, 1000)
  if (loss.kind === 'contrastive' && trainable.kind === 'head') {
    throw invalidSetting('the contrastive loss trains the encoder, not a head: train layers or all')
  }
  if (loss.kind === 'contrastive') wholeInRange('batchSize', settings.batchSize, 4, MAX_BATCH)
  if (trainable.kind === 'layers') wholeInRange('layers', trainable.count, 1, 128)
  if (classWeights === null) return
  if (classWeights.length !== classes || classWeights.some((weight) => !(weight >= 0))) {
    throw invalidSetting(`classWeights must be ${classes} numbers of at least 0`)
  }
}

function inRange(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return
  throw invalidSetting(`${name}: ${value} is not between ${min} and ${max}`, name)
}

function wholeInRange(name: string, value: number, min: number, max: number): void {
  inRange(name, value, min, max)
  if (!Number.isInteger(value)) throw invalidSetting(`${name}: ${value} is not whole`, name)
}

function invalidSetting(message: string, param?: string): EspalierError {
  return new EspalierError('invalid_request', message, param === undefined ? {} : { param })
}

function invalidData(message: string): EspalierError {
  return new EspalierError('invalid_data', message)
}
