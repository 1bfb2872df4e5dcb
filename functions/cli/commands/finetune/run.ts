import { findModality } from '../../../../shared/dataset/texts.ts'
import type { TrainableLayers, TuningOptions } from '../../../../shared/jobs/finetune/request.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { print } from '../../../../shared/lib/wording.ts'
import type { CommandContext } from '../../context.ts'
import { openInput } from '../../options/input.ts'
import { IMAGE_ENCODER, openFineTuneParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { textReading } from '../../options/text-reading.ts'
import { checkOutcome, toJob } from '../../options/training.ts'
import { noteReading } from '../../output/progress.ts'
import { COMMAND_LINE } from '../../output/report-error.ts'
import { writeReport } from '../../output/write-report.ts'
import type { FineTuneOptions } from './options.ts'
import { checkPromotion, describeResult, toJson } from './print.ts'

/** Fine-tunes and publishes; a refused promotion is told last, as a failure, since the versions exist by then. */
export async function fineTuneFile(
  context: CommandContext,
  file: string,
  options: FineTuneOptions,
): Promise<void> {
  checkOptions(options)
  const { signal, clock } = context
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const { workers, encoder, encoderName = `${options.name}-encoder` } = options
    const { precision = boot.config.precision ?? 'int8' } = options
    const data = await openInput(context, file, options.format)
    const test = options.test === undefined ? undefined : await openInput(context, options.test)
    const { fineTuneClassifier } = await import('../../../../shared/jobs/finetune/finetune.ts')
    const reading = labelledReading(boot, options, {
      ...{ signal, report: display.report },
      onNote: noteReading(display),
    })
    const standard =
      (await findModality(data, reading)) === 'image' ? IMAGE_ENCODER : boot.config.encoder
    const result = await fineTuneClassifier(await openFineTuneParts(boot, { workers, clock }), {
      ...toJob(context, options),
      ...{ data, test, reading, balance: options.balance, encoderName, precision },
      textReading: textReading(options),
      base: encoder ?? standard,
      tuning: chooseTuning(options, workers ?? boot.fineTuning.threads),
      onProgress: display.report,
    })
    display.stop()
    if (options.report !== undefined) await writeReport(options.report, result.files)
    const { warnings, notes } = result
    for (const { message } of warnings) display.note(`warning: ${message}`)
    for (const note of notes) display.note(`warning: ${print(note, COMMAND_LINE)}`)
    if (options.json === true) await context.print(JSON.stringify(toJson(result), null, 2))
    else await context.print(describeResult(result, options))
    checkPromotion(result)
  } finally {
    display.stop()
  }
}

function checkOptions(options: FineTuneOptions): void {
  const { test, full, layers, fromLayer, headOnly } = options
  checkOutcome(options)
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

/** How the encoder is trained. */
function chooseTuning(options: FineTuneOptions, threads: number): TuningOptions {
  const { loss, labelSmoothing, epochs, batchSize, learningRate, headLearningRate } = options
  const { alpha, flip, maxTokens, budget: budgetMs, maxMemory: maxMemoryBytes } = options
  return {
    layers: chooseLayers(options),
    ...{ loss, labelSmoothing, epochs, batchSize, learningRate, headLearningRate },
    ...{ alpha, flip, maxTokens, budgetMs, maxMemoryBytes, threads },
  }
}

/** Undefined for what is usual with the encoder. */
function chooseLayers(options: FineTuneOptions): TrainableLayers | undefined {
  const { full, layers, fromLayer, headOnly } = options
  if (headOnly === true) return { kind: 'head' }
  if (fromLayer !== undefined) return { kind: 'above', layer: fromLayer }
  if (layers !== undefined) return { kind: 'layers', count: layers }
  return full === true ? { kind: 'all' } : undefined
}
