import { join } from 'node:path'
import { findModality } from '../../../../shared/dataset/texts.ts'
import type { LayerOptions, TrainHeadResult } from '../../../../shared/jobs/heads/request.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import type { Method } from '../../../../shared/training/types.ts'
import { REPORT_FILES } from '../../../../shared/versions/head-version.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { openInput } from '../../options/input.ts'
import {
  type EncoderOptions,
  encoderFor,
  IMAGE_ENCODER,
  openJobParts,
} from '../../options/job-parts.ts'
import { type LabelledInputOptions, labelledReading } from '../../options/labelled-input.ts'
import { checkPromotionOptions, promotionWish } from '../../options/promotion.ts'
import { formatBytes, formatCount, formatShare } from '../../output/number-format.ts'
import { quoteArgument } from '../../output/quote-argument.ts'
import { writeReport } from '../../output/write-report.ts'

/** The options of `espalier train`. */
export interface TrainOptions extends LabelledInputOptions, EncoderOptions {
  readonly name: string
  readonly test?: string
  readonly testFraction: number
  readonly method: Method
  readonly seed: number
  readonly folds: number
  readonly balance?: boolean
  readonly memory: boolean
  readonly promote?: boolean
  readonly force?: boolean
  readonly idempotencyKey?: string
  readonly by?: string
  readonly reason?: string
  readonly description?: string
  readonly report?: string
  readonly quoteTexts?: boolean
  readonly thumbnails: boolean
  readonly layer?: string
  readonly layers?: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Trains and publishes; a refused promotion is told last, as a failure, since the version exists by then. */
export async function trainFile(
  context: CommandContext,
  file: string,
  options: TrainOptions,
): Promise<void> {
  checkOptions(options)
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const data = await openInput(context, file, options.format)
    const test =
      options.test === undefined ? undefined : await openInput(context, options.test, undefined)
    const { trainHead } = await import('../../../../shared/jobs/train/train-head.ts')
    const labelled = labelledReading(boot, options, signal)
    const encoder = encoderFor(options, await findModality(data, labelled))
    const parts = await openJobParts(boot, { ...options, ...encoder }, signal)
    const layers = await openLayers(boot, { ...options, ...encoder }, signal)
    const { balance = false, dryRun = false, quoteTexts = false } = options
    const result = await trainHead(
      { ...parts, layers, clock: context.clock },
      {
        ...options,
        data,
        test,
        balance,
        dryRun,
        quoteTexts,
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
    for (const { message } of result.warnings) display.note(`warning: ${message}`)
    if (options.json === true) await context.print(JSON.stringify(toJson(result), null, 2))
    else await printResult(context, options, result)
    checkPromotion(result)
  } finally {
    display.stop()
  }
}

/** The layers that the options name; none where they name none. */
async function openLayers(
  boot: Boot,
  { layer, layers, encoder = IMAGE_ENCODER, precision, workers }: TrainOptions,
  signal: AbortSignal,
): Promise<LayerOptions | undefined> {
  if (layer === undefined && layers === undefined) return undefined
  const network = await boot.openNetwork(encoder)
  const asked = layer === undefined ? layers! : [layer]
  return {
    network,
    layers: asked.join() === 'auto' ? network.promising : asked,
    openArtifact: (model, onProgress) =>
      boot.openEncoder({ model, precision, workers, onProgress, signal }),
  }
}

function checkOptions(options: TrainOptions): void {
  const { test, layer, layers } = options
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  checkPromotionOptions(options)
  if (layer !== undefined && layers !== undefined) fail('pass --layer or --layers, not both')
  if (test === '-') fail('--test needs a file: stdin is for the training data')
}

/** The result for `--json`. */
export function toJson({
  version,
  created,
  report,
  warnings,
  promotion,
  embeddings,
  files,
}: TrainHeadResult) {
  return {
    model: version && formatModelVersion(version),
    created,
    promotion,
    accuracy: report.test?.accuracy ?? null,
    warnings,
    embeddings,
    version,
    report: JSON.parse(files.json) as unknown,
  }
}

/** The result for people, and what to do next. */
export async function printResult(
  { print }: CommandContext,
  options: Pick<TrainOptions, 'report'>,
  { version, created, report, promotion, embeddings }: TrainHeadResult,
): Promise<void> {
  const { test, crossValidation, split, sizes, champion } = report
  const model = version === null ? `${report.name} (not published)` : formatModelVersion(version)
  const rows = formatCount(split.trainRows, 'row')
  const labels = formatCount(report.labels.length, 'label')
  await print(
    `${model}: ${labels}, ${rows}, method ${report.method.name}, ${formatBytes(sizes.headBytes)}`,
  )
  if (test !== null) {
    const { low, high } = test.interval ?? { low: null, high: null }
    await print(
      `  accuracy ${formatShare(test.accuracy)} (95 % interval ${formatShare(low)} to ${formatShare(high)}), ` +
        `macro-F1 ${formatShare(test.macroF1)}, ECE ${formatShare(test.ece)} on ${formatCount(test.rows, 'test row')}`,
    )
  }
  if (crossValidation !== null) {
    await print(`  accuracy ${formatShare(crossValidation.accuracy)} cross-validated`)
  }
  const chosen = report.layers?.find((layer) => layer.chosen)
  if (chosen !== undefined) {
    await print(
      `  layer ${chosen.name}, of ${formatCount(report.layers!.length, 'layer')} compared`,
    )
  }
  if (champion !== null)
    await print(`  champion ${champion.model}: ${describeDifference(champion)}`)
  if (embeddings.truncated > 0) {
    await print(`  ${formatCount(embeddings.truncated, 'text')} cut at the encoder's limit`)
  }
  if (version !== null && !created) await print('  published before under this key')
  if (promotion.status === 'promoted-before') {
    await print('  promoted before under this key; what it means now stays')
  }
  if (promotion.status === 'promoted') await print(`  promoted: ${model} is champion now`)
  if (options.report !== undefined)
    await print(`  report: ${join(options.report, REPORT_FILES.html)}`)
  if (version !== null)
    await print(nextStep(model, promotion.status.startsWith('promoted'), report))
}

function describeDifference({
  accuracy,
  difference,
  low,
  high,
}: NonNullable<TrainHeadResult['report']['champion']>): string {
  const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`
  return (
    `accuracy ${formatShare(accuracy)} on the same rows, difference ${points(difference)} points ` +
    `(95 % interval ${points(low)} to ${points(high)})`
  )
}

function nextStep(
  model: string,
  promoted: boolean,
  { dataset }: TrainHeadResult['report'],
): string {
  if (!promoted) return `Next: espalier promote ${model}`
  const name = model.slice(0, model.indexOf('@'))
  if (dataset.modality === 'image') {
    const url = `http://127.0.0.1:8080/classify?model=${name}`
    return (
      'Next: espalier serve, then\n' +
      `  curl -s '${url}' -H 'content-type: image/jpeg' --data-binary @image.jpg`
    )
  }
  const body = JSON.stringify({ model: name, inputs: 'your text' })
  return (
    'Next: espalier serve, then\n' +
    `  curl -s http://127.0.0.1:8080/classify -H 'content-type: application/json' -d '${body}'`
  )
}

/** @throws EspalierError `not_better` */
export function checkPromotion({ version, promotion }: TrainHeadResult): void {
  if (version === null || promotion.status !== 'refused') return
  const model = formatModelVersion(version)
  throw new EspalierError(
    'not_better',
    `${model} is published but not promoted: ${promotion.reason}; "espalier promote ${model}" does it all the same`,
  )
}
