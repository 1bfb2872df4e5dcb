import { isFeatureFile } from '../../../../shared/dataset/arrays/feature-file.ts'
import { findModality } from '../../../../shared/dataset/texts.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { CommandContext } from '../../context.ts'
import { openInput } from '../../options/input.ts'
import { encoderFor, openJobParts } from '../../options/job-parts.ts'
import { labelledReading } from '../../options/labelled-input.ts'
import { textReading } from '../../options/text-reading.ts'
import { checkOutcome, toJob } from '../../options/training.ts'
import { noteReading } from '../../output/progress.ts'
import { checkPromotion, printResult, toJson } from '../../output/trained-head.ts'
import { writeReport } from '../../output/write-report.ts'
import { type AdaptOptions, type AdaptRun, besideOf } from './options.ts'
import { formatMethods, writePredictions } from './print.ts'
import { adaptFeatureFiles } from './run-features.ts'

/** Adapts texts or features, by the kind of the files. */
export async function adaptFiles(
  context: CommandContext,
  source: string,
  target: string,
  options: AdaptOptions,
): Promise<void> {
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  const isFeatures = isFeatureFile(source)
  if (isFeatures !== isFeatureFile(target)) {
    fail(`${source} and ${target}: both must be texts, or both features`)
  }
  if (source === '-' && target === '-') fail('only one of SOURCE and TARGET can be stdin')
  checkOutcome(options)
  const boot = await context.boot()
  const display = context.progress(options.quiet === true)
  try {
    const run = isFeatures ? adaptFeatureFiles : adaptTextFiles
    await run({ context, boot, display }, source, target, options)
  } finally {
    display.stop()
  }
}

async function adaptTextFiles(
  { context, boot, display }: AdaptRun,
  source: string,
  target: string,
  options: AdaptOptions,
): Promise<void> {
  const { signal } = context
  const { name } = options
  for (const option of ['sourceLabels', 'features', 'export'] as const) {
    if (options[option] === undefined) continue
    const flag = option === 'sourceLabels' ? 'source-labels' : option
    throw new EspalierError('invalid_request', `--${flag} is for files of features (.npy, .mat)`)
  }
  if (name === undefined) {
    throw new EspalierError('invalid_request', 'pass --name: what the classifier is called')
  }
  const { adaptHead } = await import('../../../../shared/jobs/adapt/adapt-head.ts')
  const from = await openInput(context, source, options.format)
  const reading = labelledReading(boot, options, { signal, onNote: noteReading(display) })
  const encoder = encoderFor(options, await findModality(from, reading))
  const parts = await openJobParts(boot, { ...options, ...encoder }, signal)
  const result = await adaptHead(
    { ...parts, clock: context.clock },
    {
      ...toJob(context, options),
      ...{ name, reading, beside: besideOf(options) },
      textReading: textReading(options),
      source: from,
      target: await openInput(context, target, options.format),
      onProgress: display.report,
    },
  )
  display.stop()
  await writePredictions(options.predictions, result.predictions)
  if (options.report !== undefined) await writeReport(options.report, result.files)
  for (const { message } of result.warnings) display.note(`warning: ${message}`)
  const { methods, shift } = result
  if (options.json === true) {
    await context.print(JSON.stringify({ ...toJson(result), methods, shift }, null, 2))
  } else {
    await context.print(formatMethods(methods))
    await printResult(context, options, result)
  }
  checkPromotion(result)
}
