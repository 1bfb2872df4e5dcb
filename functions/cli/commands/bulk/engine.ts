import type { BulkPlace } from '../../../../shared/bulk/place.ts'
import type { BulkEngine } from '../../../../shared/bulk/shard.ts'
import type { AnswerWishes } from '../../../../shared/head/answer-rules.ts'
import { isSameReading, type TextReading, USUAL_READING } from '../../../../shared/head/head.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import type { Boot } from '../../../boot/types.ts'
import { answerWishes } from '../../options/answer-wishes.ts'
import { openJobParts } from '../../options/job-parts.ts'
import { textReading } from '../../options/text-reading.ts'
import type { ProgressDisplay } from '../../output/progress.ts'
import type { BulkOptions } from './options.ts'

/**
 * Opens the encoder and, where asked for, a classifier: the version that the output was begun with, whatever its
 * name means by now.
 */
export async function openBulkEngine(
  boot: Boot,
  given: {
    readonly output: BulkPlace
    readonly options: BulkOptions
    readonly display: ProgressDisplay
    readonly signal: AbortSignal
  },
) {
  const { output, options, display, signal } = given
  const { to, topK, prompt, normalize, textColumn, idColumn } = options
  const { delimiter, encoding, sheet } = options
  const wishes = answerWishes(options)
  const parts = await openJobParts(boot, options, signal)
  const { readJob } = await import('../../../../shared/bulk/job-file.ts')
  const begun = await readJob(output, signal)
  const loaded = await loadClassifier(parts.registry, options.classifier, begun?.model, signal)
  const encoder = await parts.openEncoder(display.report)
  try {
    const { info } = encoder
    const { fingerprint } = info
    const settings = {
      prompt: prompt ?? null,
      normalize,
      topK: loaded === null ? null : topK,
      textColumn: textColumn ?? null,
      idColumn: idColumn ?? null,
      // Absent from jobs of releases that do not know them.
      ...(delimiter !== undefined && { delimiter }),
      ...(encoding !== undefined && { encoding }),
      ...(sheet !== undefined && { sheet }),
      ...tellReading(textReading(options, loaded?.head.reading)),
      ...(loaded !== null && tellWishes(wishes)),
    }
    const job = { schema: 1 as const, model: formatModelVersion(info), fingerprint, to, settings }
    if (loaded === null) {
      const reading = textReading(options)
      const engine: BulkEngine = { encoder, reading, classifier: null }
      return { engine, job, close: () => encoder.close() }
    }
    const { version, head, answers, checkFamily, readHeadCard } = loaded
    checkFamily(version, head.family, info, version.lineage?.encoder)
    const kernels = await parts.openKernels()
    const model = formatModelVersion(version)
    const reading = textReading(options, head.reading)
    const joinedColumns = readHeadCard(version)?.joinedColumns
    const { settleRules } = await import('../../../../shared/head/answer-rules.ts')
    const [rules] = settleRules([{ model, head, answers }], wishes)
    const classifier = { head, model, kernels, predict: { topK, ...rules } }
    const engine: BulkEngine = { encoder, reading, joinedColumns, classifier }
    return {
      engine,
      job: { ...job, model },
      async close() {
        await kernels.close()
        await encoder.close()
      },
    }
  } catch (error) {
    await encoder.close()
    throw error
  }
}

/** How long texts are read, where it is not the usual way. */
function tellReading(reading: TextReading | undefined) {
  if (isSameReading(reading)) return {}
  const { truncationDirection, windows } = reading ?? USUAL_READING
  return { truncationDirection, windows }
}

/** How answers are wanted, where it is not the usual way: all workers must want the same. */
function tellWishes({ thresholds, minScore, predictionSet }: AnswerWishes) {
  return {
    ...(thresholds !== undefined && {
      thresholds: typeof thresholds === 'number' ? thresholds : JSON.stringify(thresholds),
    }),
    ...(minScore !== undefined && { minScore }),
    ...(predictionSet && {
      coverage: predictionSet.coverage,
      setByLabel: predictionSet.byLabel ?? false,
    }),
  }
}

async function loadClassifier(
  registry: Awaited<ReturnType<typeof openJobParts>>['registry'],
  asked: string | undefined,
  begun: string | undefined,
  signal: AbortSignal,
) {
  if (asked === undefined) return null
  const { readHead, checkFamily, readHeadCard } = await import(
    '../../../../shared/versions/head-version.ts'
  )
  // A name moves while the children of a job start one by one; all take the version of the first.
  const [name] = asked.split('@')
  const isVersion = /@v\d+$/.test(asked)
  const address = !isVersion && begun?.startsWith(`${name}@`) ? begun : asked
  const { version, head, answers } = await readHead(registry, address, signal)
  return { version, head, answers, checkFamily, readHeadCard }
}
