import { extname } from 'node:path'
import { DEFAULT_LABELS, readFeatures } from '../../../../shared/dataset/arrays/feature-file.ts'
import { openAtomicFile } from '../../../../shared/dataset/atomic-file.ts'
import type { AdaptedFeatures } from '../../../../shared/jobs/adapt/features.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { formatCount } from '../../output/number-format.ts'
import { type AdaptOptions, type AdaptRun, besideOf } from './options.ts'
import { formatMethods, writePredictions } from './print.ts'

/** Options that mean something for texts alone. */
const TEXT_ONLY = ['name', 'promote', 'report', 'idempotencyKey', 'textColumn'] as const

/** Adapts a classifier of features; nothing is published, since no encoder makes such vectors. */
export async function adaptFeatureFiles(
  { context, boot, display }: AdaptRun,
  source: string,
  target: string,
  options: AdaptOptions,
): Promise<void> {
  const { method, scale, seed, ridge, features: variable, targetLabels } = options
  const wrong = TEXT_ONLY.find((option) => options[option] !== undefined)
  if (wrong !== undefined) {
    const flag = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new EspalierError(
      'invalid_request',
      `--${flag} is for texts: features have no encoder, so nothing can be published; use --export`,
    )
  }
  const isMat = extname(source).toLowerCase() === '.mat'
  const sourceLabels = options.sourceLabels ?? (isMat ? DEFAULT_LABELS : undefined)
  if (sourceLabels === undefined) {
    throw new EspalierError('invalid_request', `${source}: pass --source-labels FILE.npy`)
  }
  const { adaptFeatures } = await import('../../../../shared/jobs/adapt/features.ts')
  const result = await adaptFeatures(() => boot.openKernels(), {
    source: await readFeatures(source, { variable, labels: sourceLabels }),
    target: await readFeatures(target, { variable, labels: targetLabels }),
    method,
    scale,
    seed,
    ridge,
    beside: besideOf(options),
    onProgress: display.report,
    signal: context.signal,
  })
  display.stop()
  await writePredictions(options.predictions, result.predictions)
  if (options.export !== undefined) await writeHead(options.export, result.head, scale)
  const { methods, shift, predictions, head } = result
  if (options.json === true) {
    const { labels } = head
    await context.print(JSON.stringify({ method, labels, methods, shift }, null, 2))
    return
  }
  await context.print(formatMethods(methods))
  const rows = formatCount(predictions.length, 'row')
  await context.print(
    `${method}: ${formatCount(head.labels.length, 'label')}, ${rows} of the target labelled; ` +
      `the domains' means are ${shift.toFixed(2)} deviations apart`,
  )
}

/** The head as JSON: label = argmax of weights · x + bias, probabilities by softmax(scores / temperature). */
async function writeHead(
  path: string,
  head: AdaptedFeatures['head'],
  scale: AdaptOptions['scale'],
): Promise<void> {
  const { labels, weights, bias, temperature, dimension } = head
  const file = await openAtomicFile(path)
  const write = (text: string): Promise<void> => file.write(new TextEncoder().encode(text))
  try {
    const fields = { labels, scale, dimension, temperature, bias: Array.from(bias) }
    await write(`${JSON.stringify(fields).slice(0, -1)},"weights":[`)
    for (const [c] of labels.entries()) {
      const row = Array.from(weights.subarray(c * dimension, (c + 1) * dimension))
      await write(`${c === 0 ? '' : ','}\n${JSON.stringify(row)}`)
    }
    await write(']}\n')
    await file.commit()
  } finally {
    await file.discard()
  }
}
