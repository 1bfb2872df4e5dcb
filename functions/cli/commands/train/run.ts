import { findModality } from '../../../../shared/dataset/texts.ts'
import type { LayerOptions } from '../../../../shared/jobs/heads/request.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { print } from '../../../../shared/lib/wording.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { openInput } from '../../options/input.ts'
import { encoderFor, IMAGE_ENCODER, openJobParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { textReading } from '../../options/text-reading.ts'
import { checkOutcome, toJob } from '../../options/training.ts'
import { noteReading } from '../../output/progress.ts'
import { COMMAND_LINE } from '../../output/report-error.ts'
import { checkPromotion, printResult, toJson } from '../../output/trained-head.ts'
import { writeReport } from '../../output/write-report.ts'
import type { TrainOptions } from './options.ts'

/** Trains and publishes; a refused promotion is told last, as a failure, since the version exists by then. */
export async function trainFile(
  context: CommandContext,
  file: string,
  given: TrainOptions,
): Promise<void> {
  checkOptions(given)
  const { signal } = context
  const boot = await context.boot()
  const display = context.progress(given.quiet === true)
  try {
    const data = await openInput(context, file, given.format)
    const test = given.test === undefined ? undefined : await openInput(context, given.test)
    const { trainHead } = await import('../../../../shared/jobs/train/train-head.ts')
    const reading = labelledReading(boot, given, {
      ...{ signal, report: display.report },
      onNote: noteReading(display),
    })
    const options = { ...given, ...encoderFor(given, await findModality(data, reading)) }
    const parts = await openJobParts(boot, options, signal)
    const layers = await openLayers(boot, options, signal)
    const result = await trainHead(
      { ...parts, layers, clock: context.clock },
      {
        ...toJob(context, options),
        ...{ data, test, reading, balance: options.balance },
        textReading: textReading(options),
        dropSuspects: options.dropSuspect,
        onProgress: display.report,
      },
    )
    display.stop()
    if (options.report !== undefined) await writeReport(options.report, result.files)
    for (const { message } of result.warnings) display.note(`warning: ${message}`)
    for (const advice of result.advice ?? []) display.note(`note: ${print(advice, COMMAND_LINE)}`)
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
  { layer, encoder = IMAGE_ENCODER, precision, workers }: TrainOptions,
  signal: AbortSignal,
): Promise<LayerOptions | undefined> {
  if (layer === undefined) return undefined
  const network = await boot.openNetwork(encoder)
  return {
    network,
    layers: layer.join() === 'auto' ? network.promising : layer,
    openArtifact: (model, onProgress) =>
      boot.openEncoder({ model, precision, workers, onProgress, signal }),
  }
}

function checkOptions(options: TrainOptions): void {
  checkOutcome(options)
  if (options.test !== '-') return
  throw new EspalierError('invalid_request', '--test needs a file: stdin is for the training data')
}
