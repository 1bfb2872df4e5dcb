import type { Command } from 'commander'
import { openAtomicFile } from '../../../shared/dataset/atomic-file.ts'
import { type ByteSink, streamSink } from '../../../shared/dataset/byte-sink.ts'
import { findModality, readTexts } from '../../../shared/dataset/texts.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import type { CommandContext } from '../context.ts'
import { type AnswerOptions, addAnswerOptions, answerWishes } from '../options/answer-wishes.ts'
import { addInputOptions, type InputOptions, openInput, rowReading } from '../options/input.ts'
import { addEncoderOptions, type EncoderOptions, openHeadParts } from '../options/job-parts.ts'
import { wholeNumber } from '../options/parsers.ts'
import {
  addTextReadingOptions,
  type TextReadingOptions,
  textReading,
} from '../options/text-reading.ts'
import { formatCount } from '../output/number-format.ts'
import { noteReading } from '../output/progress.ts'

/** The options of `espalier predict`. */
interface PredictOptions extends InputOptions, EncoderOptions, TextReadingOptions, AnswerOptions {
  readonly skipEmpty?: boolean
  readonly output?: string
  readonly text: boolean
  readonly topK: number
  readonly quiet?: boolean
}

/** `espalier predict intent FILE|-` */
export function addPredictCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('predict')
    .summary('classify the texts of a file, or images')
    .description(
      'Classify the texts of a CSV, TSV, JSONL or plain text file, or of stdin, or the images of a folder or of ' +
        'a column of paths: one JSON line each.',
    )
    .argument('<model>', 'the classifier: name, name@alias or name@v7')
    .argument('<file>', 'the file, a folder of images, or - for stdin')
  addInputOptions(command)
    .option('--skip-empty', 'leave out rows with an empty text instead of stopping')
    .option(
      '-o, --output <file>',
      'write here instead of stdout; the file appears when it is whole',
    )
    .option('--no-text', 'leave the text out of the JSON lines')
    .option('--top-k <n>', 'labels to list of each text, best first', wholeNumber(1, 10_000), 3)
  addAnswerOptions(command)
  addTextReadingOptions(command, "the classifier's own")
  addEncoderOptions(command)
    .option('--json', 'JSON lines: they are what is written in any case')
    .option('-q, --quiet', 'no progress and no summary on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier predict intent mails.csv --text-column body --output mails.jsonl
  espalier predict ticket today.xlsx --output today.jsonl   # text columns as in training
  espalier predict pets holiday-images/ --output holiday.jsonl
  espalier predict intent@v7 questions.txt --top-k 1 --no-text
  espalier predict intent questions.txt --prediction-set 0.9 --min-score 0.8
  echo "play some jazz" | espalier predict intent - --format txt`,
    )
    .action((model: string, file: string, options: PredictOptions) =>
      predictFile(context, model, file, options),
    )
}

/** Classifies the texts of a file; the model and the output are checked before the encoder is opened. */
async function predictFile(
  context: CommandContext,
  model: string,
  file: string,
  options: PredictOptions,
): Promise<void> {
  const { signal } = context
  const boot = await context.boot()
  const source = await openInput(context, file, options.format)
  const display = context.progress(options.quiet === true)
  const { skipEmpty, topK } = options
  const wishes = answerWishes(options)
  const onNote = noteReading(display)
  const { recallColumns, readHead, checkFamily } = await import(
    '../../../shared/versions/head-version.ts'
  )
  const joinedColumns = await recallColumns(await boot.openRegistry(), model, signal)
  const reading = { ...rowReading(boot, options, { signal, onNote }), skipEmpty, joinedColumns }
  const modality = await findModality(source, reading)
  const parts = await openHeadParts(boot, model, modality, options, signal)
  const { predictRows } = await import('../../../shared/jobs/rows/predict-rows.ts')
  const { settleRules } = await import('../../../shared/head/answer-rules.ts')
  const { version, head, answers } = await readHead(parts.registry, model, signal)
  const asked = { model: formatModelVersion(version), head, answers }
  const [rules] = settleRules([asked], wishes)
  const sink = await openSink(context, options)
  try {
    const encoder = await parts.openEncoder(display.report)
    try {
      checkFamily(version, head.family, encoder.info, version.lineage?.encoder)
      const kernels = await parts.openKernels()
      try {
        const done = await predictRows({
          encoder,
          head,
          model: formatModelVersion(version),
          kernels,
          rows: readTexts(source, reading),
          sink,
          source: source.name,
          predict: { topK, ...rules },
          withText: options.text,
          lookAtTexts: options.quiet !== true,
          reading: textReading(options, head.reading),
          signal,
          onProgress: (rows) => display.report('predicting', rows, 0),
        })
        await sink.commit()
        display.stop()
        for (const { message } of done.warnings) display.note(`warning: ${message}`)
        display.note(describe(formatModelVersion(version), modality, done))
      } finally {
        await kernels.close()
      }
    } finally {
      // Closing may wait for a worker that hangs, until the process is killed.
      await sink.discard()
      await encoder.close()
    }
  } finally {
    await sink.discard()
    display.stop()
  }
}

async function openSink({ stdout }: CommandContext, { output }: PredictOptions): Promise<ByteSink> {
  return output === undefined ? streamSink(stdout) : openAtomicFile(output)
}

function describe(
  model: string,
  modality: 'text' | 'image',
  {
    rows,
    truncated,
    outOfDistribution,
  }: { rows: number; truncated: number; outOfDistribution: number },
): string {
  const cut = truncated > 0 ? `, ${truncated} cut at the encoder's limit` : ''
  const unlike = outOfDistribution > 0 ? `, ${outOfDistribution} unlike the training data` : ''
  return `${model}: ${formatCount(rows, modality === 'image' ? 'image' : 'text')} classified${cut}${unlike}`
}
