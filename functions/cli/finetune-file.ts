import { join } from 'node:path'
import { findModality } from '../../shared/dataset/texts.ts'
import type {
  FineTuneClassifierResult,
  LossName,
  TrainableLayers,
} from '../../shared/jobs/finetune/request.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import type { Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import type { Method } from '../../shared/training/types.ts'
import { REPORT_FILES } from '../../shared/versions/head-version.ts'
import type { CommandContext } from './context.ts'
import { openInput } from './input.ts'
import { IMAGE_ENCODER, openFineTuneParts } from './job-parts.ts'
import { type LabelledInputOptions, labelledReading } from './labelled-input.ts'
import { formatBytes, formatCount, formatShare } from './number-format.ts'
import { checkPromotionOptions, promotionWish } from './promotion-wish.ts'
import { quoteArgument } from './quote-argument.ts'
import { formatTable } from './table.ts'
import { writeReport } from './write-report.ts'

/** The options of `espalier finetune`. */
export interface FineTuneOptions extends LabelledInputOptions {
  readonly name: string
  readonly base?: string
  readonly encoderName?: string
  readonly full?: boolean
  readonly layers?: number
  readonly fromLayer?: string
  readonly headOnly?: boolean
  readonly flip?: boolean
  readonly loss?: LossName
  readonly labelSmoothing: number
  readonly epochs?: number
  readonly batchSize?: number
  readonly learningRate?: number
  readonly headLearningRate?: number
  readonly alpha?: number | 'auto'
  readonly budget?: number
  readonly maxMemory?: number
  readonly maxTokens?: number
  readonly workers?: number
  readonly test?: string
  readonly testFraction: number
  readonly validationFraction: number
  readonly method: Method
  readonly seed: number
  readonly folds: number
  readonly balance?: boolean
  readonly memory: boolean
  readonly precision?: Precision
  readonly promote?: boolean
  readonly force?: boolean
  readonly idempotencyKey?: string
  readonly by?: string
  readonly reason?: string
  readonly description?: string
  readonly output?: string
  readonly report?: string
  readonly quoteTexts?: boolean
  readonly thumbnails: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Fine-tunes and publishes; a refused promotion is told last, as a failure, since the versions exist by then. */
export async function fineTuneFile(
  context: CommandContext,
  file: string,
  options: FineTuneOptions,
): Promise<void> {
  checkOptions(options)
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const data = await openInput(context, file, options.format)
    const test =
      options.test === undefined ? undefined : await openInput(context, options.test, undefined)
    const { fineTuneClassifier } = await import('../../shared/jobs/finetune/finetune.ts')
    const labelled = labelledReading(boot, options, signal)
    const standard =
      (await findModality(data, labelled)) === 'image' ? IMAGE_ENCODER : boot.config.encoder
    const { balance = false, dryRun = false, quoteTexts = false } = options
    const threads = options.workers ?? boot.fineTuning.threads
    const { maxTokens, epochs, loss, labelSmoothing, batchSize } = options
    const { learningRate, headLearningRate, alpha, flip } = options
    const result = await fineTuneClassifier(
      await openFineTuneParts(boot, { workers: options.workers, clock: context.clock }),
      {
        ...options,
        data,
        test,
        balance,
        dryRun,
        quoteTexts,
        base: options.base ?? standard,
        encoderName: options.encoderName ?? `${options.name}-encoder`,
        precision: options.precision ?? boot.config.precision ?? 'int8',
        tuning: {
          layers: chooseLayers(options),
          ...{ loss, labelSmoothing, epochs, batchSize, learningRate, headLearningRate },
          ...{ alpha, flip },
          budgetMs: options.budget,
          maxMemoryBytes: options.maxMemory,
          maxTokens,
          threads,
        },
        promote: promotionWish(options),
        reading: {
          ...labelled,
          onProgress: (rows) => display.report('reading', rows, 0),
        },
        command: ['espalier', ...context.argv].map(quoteArgument).join(' '),
        onProgress: display.report,
        signal,
      },
    )
    display.stop()
    if (options.report !== undefined) await writeReport(options.report, result.files)
    const { warnings, notes } = result
    for (const { message } of warnings) display.note(`warning: ${message}`)
    for (const note of notes) display.note(`warning: ${note}`)
    if (options.json === true) await context.print(JSON.stringify(toJson(result), null, 2))
    else await context.print(describeResult(result, options))
    checkPromotion(result)
  } finally {
    display.stop()
  }
}

function checkOptions(options: FineTuneOptions): void {
  const { test, full, layers, fromLayer, headOnly } = options
  checkPromotionOptions(options)
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  const named = [layers, fromLayer].map((each) => each !== undefined)
  const chosen = [full === true, ...named, headOnly === true].filter(Boolean)
  if (chosen.length > 1) fail('--full, --layers, --from-layer and --head-only: give one of them')
  if (headOnly === true && options.loss === 'contrastive') {
    fail('--loss contrastive has no output layer; it needs --full, --layers or --from-layer')
  }
  if (test === '-') fail('--test needs a file: stdin is for the training data')
}

/** Undefined for what is usual with the base. */
function chooseLayers(options: FineTuneOptions): TrainableLayers | undefined {
  const { full, layers, fromLayer, headOnly } = options
  if (headOnly === true) return { kind: 'head' }
  if (fromLayer !== undefined) return { kind: 'above', layer: fromLayer }
  if (layers !== undefined) return { kind: 'layers', count: layers }
  return full === true ? { kind: 'all' } : undefined
}

function toJson(result: FineTuneClassifierResult) {
  const { version, encoder, created, promotion, report, warnings, notes, files } = result
  return {
    model: version && formatModelVersion(version),
    encoder: encoder && formatModelVersion(encoder),
    created,
    promotion,
    recommendation: report.fineTuning?.recommendation ?? null,
    accuracy: report.test?.accuracy ?? null,
    warnings,
    notes,
    version,
    report: JSON.parse(files.json) as unknown,
  }
}

function describeResult(result: FineTuneClassifierResult, options: FineTuneOptions): string {
  const { version, encoder, created, report, promotion } = result
  const { fineTuning, labels, sizes, method } = report
  const model = version === null ? `${report.name} (not published)` : formatModelVersion(version)
  const lines = [
    `${model} on ${report.encoder.model}: ${formatCount(labels.length, 'label')}, ` +
      `${formatCount(report.split.trainRows, 'row')}, ${method.name}, ${formatBytes(sizes.headBytes)}`,
  ]
  if (fineTuning !== undefined) {
    const { steps, bestStep, epochs, stopped, contenders, recommendation } = fineTuning
    const { alpha } = fineTuning.blend
    const mixed = alpha === 1 ? '' : `, alpha ${alpha} of the way from the base's`
    lines.push(
      `  ${formatCount(steps, 'step')}, ${epochs.toFixed(1)} epochs, ended ${stopped}; weights of step ${bestStep}${mixed}`,
    )
    const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`
    const rows = contenders.map(({ name, accuracy, macroF1, gain }) => [
      name,
      formatShare(accuracy),
      formatShare(macroF1),
      gain === null
        ? ''
        : `${points(gain.difference)} (${points(gain.low)} to ${points(gain.high)})`,
    ])
    const header = ['ENCODER', 'ACCURACY', 'MACRO-F1', 'GAIN IN POINTS (95 % INTERVAL)']
    if (rows.length > 0) {
      lines.push(`on ${formatCount(report.split.testRows, 'test row')}:`)
      lines.push(formatTable([header, ...rows]))
    }
    lines.push(recommendation.why)
  }
  if (version !== null && !created) lines.push('published before under this key')
  if (promotion.status === 'promoted-before') {
    lines.push('promoted before under this key; what it means now stays')
  }
  if (promotion.status === 'promoted') {
    const both = encoder === null ? model : `${formatModelVersion(encoder)} and ${model}`
    lines.push(`promoted: ${both} ${encoder === null ? 'is champion' : 'are champions'} now`)
  }
  if (options.report !== undefined) {
    lines.push(`report: ${join(options.report, REPORT_FILES.html)}`)
  }
  if (version !== null && promotion.status === 'none') lines.push(adviseNext(result, model))
  return lines.join('\n')
}

function adviseNext({ encoder, report }: FineTuneClassifierResult, model: string): string {
  const promote = [...(encoder === null ? [] : [formatModelVersion(encoder)]), model]
    .map((each) => `espalier promote ${each}`)
    .join(' && ')
  return report.fineTuning?.recommendation.promote === 'frozen'
    ? `Next: espalier train, with the same rows; or all the same: ${promote}`
    : `Next: ${promote}`
}

/** @throws EspalierError `not_better` */
function checkPromotion({ version, encoder, promotion, refusal }: FineTuneClassifierResult): void {
  if (refusal !== null) throw new EspalierError('not_better', refusal)
  if (version === null || promotion.status !== 'refused') return
  const model = formatModelVersion(version)
  const pair = encoder === null ? model : `${formatModelVersion(encoder)} and ${model}`
  throw new EspalierError(
    'not_better',
    `${pair}: published but not promoted: ${promotion.reason}; "espalier promote" does it all the same`,
  )
}
