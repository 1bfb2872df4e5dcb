import type { ByteSink } from '../../dataset/byte-sink.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import type { TextRow } from '../../dataset/texts.ts'
import { findPrompt } from '../../encoder/prompts.ts'
import type { Encoder } from '../../encoder/types.ts'
import { encodeAs, type Head, type TextReading } from '../../head/head.ts'
import type { Prediction, PredictOptions } from '../../head/predict.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import { createHeadRunner } from './apply-head.ts'
import { type EmbedRowsOptions, embedRows } from './embed-rows.ts'
import { openTextCoverage } from './text-coverage.ts'

/** What is classified, with what, and where to. */
export interface PredictRowsOptions {
  readonly encoder: Encoder
  readonly head: Head
  /** The head as predictions name it: `intent@v7`. */
  readonly model: string
  readonly kernels: MatrixKernels
  readonly rows: AsyncIterable<TextRow>
  readonly sink: ByteSink
  /** What messages call the rows' source. */
  readonly source: string
  readonly predict: PredictOptions
  /** Writes the text, or the image's path, beside its prediction. */
  readonly withText: boolean
  /** What is written beside a prediction. @default its index, and the text where wanted */
  readonly describe?: ((row: TextRow) => Readonly<Record<string, unknown>>) | undefined
  readonly prompt?: string | undefined
  /** As of `embedRows`. */
  readonly onStuck?: EmbedRowsOptions['onStuck']
  /** Warns of texts that the encoder cannot read. @default false */
  readonly lookAtTexts?: boolean | undefined
  /** How long texts are read. @default as the head was trained */
  readonly reading?: TextReading | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((rows: number) => void) | undefined
}

/** What was classified. */
export interface PredictRowsResult {
  readonly rows: number
  readonly tokens: number
  readonly truncated: number
  /** Rows unlike the training data. */
  readonly outOfDistribution: number
  /** What was left out, and what the encoder cannot read, in sentences. */
  readonly warnings: readonly DatasetWarning[]
}

/**
 * Classifies a stream of rows in bounded memory, one JSON line each, in order; committing is the caller's.
 * @throws EspalierError naming the line of a row at fault
 */
export async function predictRows(options: PredictRowsOptions): Promise<PredictRowsResult> {
  const { encoder, head, sink, model, withText } = options
  const runner = createHeadRunner(head, options.kernels)
  let outOfDistribution = 0
  const writer = {
    async write(
      rows: readonly { vector: Float32Array; fields: Readonly<Record<string, unknown>> }[],
    ) {
      const embeddings = new Float32Array(rows.length * head.dimension)
      for (const [i, { vector }] of rows.entries()) embeddings.set(vector, i * head.dimension)
      const predictions = await runner.run(embeddings, options.predict)
      const lines = predictions.map((prediction, i) => {
        if (prediction.inDistribution === false) outOfDistribution++
        return `${JSON.stringify({ ...rows[i]!.fields, model, ...toWire(prediction) })}\n`
      })
      await sink.write(Buffer.from(lines.join('')))
    },
    commit: () => sink.commit(),
    discard: () => sink.discard(),
  }
  const describe =
    options.describe ??
    (({ index, text, image }: TextRow) => {
      if (!withText) return { index }
      return image === undefined ? { index, text } : { index, image: text }
    })
  const coverage = options.lookAtTexts ? await openTextCoverage(encoder) : null
  const result = await embedRows({
    encoder,
    rows: options.rows,
    writer,
    source: options.source,
    encode: {
      ...encodeAs(options.reading ?? head.reading),
      normalize: head.reads !== 'pooled',
      prompt: findPrompt(encoder.info, options.prompt),
    },
    // Called when a worker has read the text: one that hangs its tokenizer never comes to this thread.
    describe: (row) => {
      if (row.image === undefined) coverage?.look(row.text)
      return describe(row)
    },
    onStuck: options.onStuck,
    signal: options.signal,
    onProgress: options.onProgress,
  })
  const warnings = [
    ...result.warnings,
    ...(coverage?.describe(options.reading ?? head.reading) ?? []),
  ]
  return { ...result, warnings, outOfDistribution }
}

/** A prediction as JSON lines and `/classify` write it. */
function toWire({ label, score, labels, inDistribution, oodScore, abstained, set }: Prediction) {
  return {
    label,
    score: round(score),
    labels: toScores(labels),
    in_distribution: inDistribution,
    ood_score: oodScore === null ? null : round(oodScore),
    ...(abstained !== undefined && { abstained }),
    ...(set && {
      prediction_set: {
        labels: toScores(set.labels),
        coverage: set.coverage,
        by_label: set.byLabel,
        too_few_rows: set.tooFewRows,
      },
    }),
  }
}

function toScores(labels: Prediction['labels']) {
  return labels.map((entry) => ({ label: entry.label, score: round(entry.score) }))
}

/** As many digits as a float32 has, without the tail of its conversion. */
function round(value: number): number {
  return Number(value.toPrecision(7))
}
