import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import {
  type EncoderManifest,
  type Precision,
  precisionSchema,
} from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { parseBareName } from '../../options/change-options.ts'
import { listOf, oneOf, wholeNumber } from '../../options/parsers.ts'
import type { ProgressDisplay } from '../../output/progress.ts'
import { checkPublication, type PublicationFlags, publishPath } from '../../publish-folder.ts'

const MODALITIES = ['text', 'image'] as const
const POOLINGS = ['mean', 'cls', 'max'] as const
const TEXT_PRECISIONS: readonly Precision[] = ['float32', 'int8']

interface ExportOptions extends PublicationFlags {
  readonly output?: string
  readonly publish?: boolean
  readonly modality?: (typeof MODALITIES)[number]
  readonly layer?: string
  readonly precision?: readonly Precision[]
  readonly calibration?: string
  readonly pooling?: (typeof POOLINGS)[number]
  readonly maxTokens?: number
  readonly json?: boolean
  readonly quiet?: boolean
}

/** `espalier export FOLDER` */
export function addExportCommand(program: Command, context: CommandContext): void {
  program
    .command('export')
    .summary('turn a Hugging Face folder into an encoder')
    .description(
      'Turn a Hugging Face folder (config.json, model.safetensors, tokenizer.json) of a BERT-family encoder, ' +
        'or one with a foreign onnx/model.onnx, into an encoder artifact. An ONNX image network with ' +
        'preprocessor_config.json or espalier.json becomes an image encoder.',
    )
    .argument('<folder>', 'the Hugging Face folder; nothing in it is changed')
    .option(
      '-o, --output <folder>',
      'folder to make; default: the name of FOLDER in the current one, with -encoder',
    )
    .option('--name <name>', "name of the encoder; default: the folder's")
    .option(
      '--modality <kind>',
      'text or image: what the encoder reads; default: image where the folder says how to prepare images',
      oneOf(MODALITIES),
    )
    .option(
      '--layer <name>',
      'image: layer to cut at, as "espalier layers" lists them; default: what the last layer with weights reads',
    )
    .option(
      '--precision <list>',
      'graphs to write: int8, float32, float16, separated by commas; default: float32,int8; for images without --calibration or calibration.json float32',
      listOf(precisionSchema.options),
    )
    .option(
      '--calibration <path>',
      'to calibrate int8 on: a file of texts like yours, one a line, or a folder of images like yours; ' +
        'default: texts that ship, images that are drawn',
    )
    .option(
      '--pooling <kind>',
      "mean, cls or max; default: the folder's 1_Pooling",
      oneOf(POOLINGS),
    )
    .option(
      '--max-tokens <n>',
      "longest input in tokens; default: the folder's",
      wholeNumber(2, 32_768),
    )
    .option('--publish', 'publish it as a version of the registry under its name')
    .option('--promote', 'with --publish: make it the champion')
    .option(
      '--idempotency-key <key>',
      'with --publish: publishing again with this key gives the same version',
    )
    .option('--by <who>', 'with --publish: who does it, for its card and the history')
    .option('--reason <text>', 'with --promote: why, for the history')
    .option('--json', 'print the manifest')
    .option('-q, --quiet', 'no progress on stderr')
    .addHelpText(
      'after',
      `
Examples:
  espalier export ./bge-small-en-v1.5 --output ./encoders/bge-small
  espalier export ./bge-small-en-v1.5 --name bge-small --publish --promote
  espalier export ./my-encoder --precision int8 --calibration my-texts.txt
  espalier export ./resnet-50 --modality image --name resnet-50 --publish
  espalier export ./resnet-50 --calibration ./photographs
  ESPALIER_ENCODER=./encoders/bge-small espalier serve`,
    )
    .action((folder: string, options: ExportOptions) => exportFolder(context, folder, options))
}

async function exportFolder(
  context: CommandContext,
  folder: string,
  { json, quiet, ...options }: ExportOptions,
): Promise<void> {
  checkOptions(folder, options)
  const output = options.output ?? `${basename(resolve(folder))}-encoder`
  const display = context.progress(quiet === true)
  try {
    const boot = await context.boot()
    const manifest = await runExport(context, boot, folder, output, options, display)
    const { lines, result } =
      options.publish === true
        ? await publishPath(context, boot, output, options, display)
        : { lines: [], result: null }
    display.stop()
    if (json === true) {
      const model = result && formatModelVersion(result.version)
      const shown = { ...manifest, ...(model && { model }) }
      return await context.print(JSON.stringify(shown, null, 2))
    }
    const graphs = Object.keys(manifest.graphs).join(', ')
    const reads =
      manifest.modality === 'text'
        ? `${manifest.maxTokens} tokens, ${manifest.pooling} pooling`
        : `images at layer ${manifest.layer}, ${manifest.pooling} pooling`
    await context.print(
      `${output}: ${manifest.name} (${manifest.architecture}, ${manifest.dimension} numbers, ` +
        `${reads}), graphs: ${graphs}`,
    )
    for (const line of lines) await context.print(line)
  } finally {
    display.stop()
  }
}

/** Exports by the modality that is asked for, or that the folder is of. */
async function runExport(
  { signal }: CommandContext,
  boot: Boot,
  folder: string,
  output: string,
  options: ExportOptions,
  { report: onProgress }: ProgressDisplay,
): Promise<EncoderManifest> {
  const { name, layer, calibration, pooling, maxTokens, precision } = options
  const common = { folder, output, name, onProgress, signal }
  const modality = options.modality ?? (await boot.modalityOf(folder))
  if (modality === 'text') {
    if (layer !== undefined) throw forOthers('--layer', 'image')
    const precisions = precision ?? TEXT_PRECISIONS
    return boot.exportEncoder({ ...common, calibration, pooling, maxTokens, precisions })
  }
  const given = Object.entries({ pooling, maxTokens })
  const misplaced = given.find(([, value]) => value !== undefined)?.[0]
  if (misplaced)
    throw forOthers(`--${misplaced === 'maxTokens' ? 'max-tokens' : misplaced}`, 'text')
  return boot.exportImageEncoder({ ...common, layer, calibration, precisions: precision })
}

function forOthers(option: string, modality: string): EspalierError {
  const message = `${option} is of use with ${modality} encoders only`
  return new EspalierError('invalid_request', message)
}

/** What could not be published is told before the export, which takes minutes. */
function checkOptions(folder: string, options: ExportOptions): void {
  const { publish, promote, idempotencyKey, by } = options
  if (publish === true) {
    checkPublication(options)
    parseBareName(options.name ?? basename(resolve(folder)), 'export --publish', 'set --name')
    return
  }
  if (promote === true || idempotencyKey !== undefined || by !== undefined) {
    const message = '--promote, --idempotency-key and --by are of use with --publish only'
    throw new EspalierError('invalid_request', message)
  }
}
