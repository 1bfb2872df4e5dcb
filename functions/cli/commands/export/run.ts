import { basename, resolve } from 'node:path'
import { EspalierError, restate } from '../../../../shared/lib/errors.ts'
import type {
  EncoderManifest,
  Precision,
} from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import { print, say, task } from '../../../../shared/lib/wording.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import { parseBareName } from '../../options/change-options.ts'
import type { ProgressDisplay } from '../../output/progress.ts'
import { COMMAND_LINE } from '../../output/report-error.ts'
import { checkPublication, publishPath } from '../publish.ts'
import type { ExportOptions } from './options.ts'

const TEXT_PRECISIONS: readonly Precision[] = ['float32', 'int8']

/** Exports a folder, publishes the artifact where that is asked for, and says what was made. */
export async function exportFolder(
  context: CommandContext,
  folder: string,
  { json, quiet, ...options }: ExportOptions,
): Promise<void> {
  const published = checkOptions(folder, options)
  const output = options.output ?? `${basename(resolve(folder))}-encoder`
  const display = context.progress(quiet === true)
  try {
    const boot = await context.boot()
    if (published !== null) await checkTarget(context, boot, published)
    const manifest = await runExport(context, boot, folder, output, options, display)
    const { lines, result } =
      published === null
        ? { lines: [], result: null }
        : await publishPath(context, boot, output, options, display).catch((error: unknown) => {
            throw tellKept(error, output, published)
          })
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
      `${output}: ${manifest.name} (${manifest.architecture}, ${manifest.dimension} dimensions, ` +
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
  { report: onProgress, note }: ProgressDisplay,
): Promise<EncoderManifest> {
  const { name, layer, calibration, allowRegex, precision } = options
  const { pooling, maxTokens, prompt: prompts, headless, onnx } = options
  const common = { folder, output, name, onProgress, signal }
  const modality = options.modality ?? (await boot.modalityOf(folder))
  if (modality === 'text') {
    if (layer !== undefined) throw forOthers('--layer', 'image')
    const precisions = precision ?? TEXT_PRECISIONS
    return boot.exportEncoder({
      ...common,
      calibration,
      pooling,
      maxTokens,
      prompts,
      headless,
      onnx,
      allowRegex,
      precisions,
      onNote: (wording) => note(`note: ${print(wording, COMMAND_LINE)}`),
    })
  }
  const given = {
    pooling,
    'max-tokens': maxTokens,
    prompt: prompts,
    headless,
    onnx,
    'allow-regex': allowRegex,
  }
  const misplaced = Object.entries(given).find(([, value]) => value !== undefined)?.[0]
  if (misplaced) throw forOthers(`--${misplaced}`, 'text')
  return boot.exportImageEncoder({ ...common, layer, calibration, precisions: precision })
}

function forOthers(option: string, modality: string): EspalierError {
  const message = `${option} is of use with ${modality} encoders only`
  return new EspalierError('invalid_request', message)
}

/** What could not be published is told before the export, which takes minutes. */
async function checkTarget({ signal }: CommandContext, boot: Boot, name: string): Promise<void> {
  const { checkTargetKind } = await import('../../../../shared/versions/publish-model.ts')
  const registry = await boot.openRegistry()
  await checkTargetKind(registry, name, 'embedding', signal)
  await registry.checkWritable(name, { signal })
}

/** The failure of a publication, with what is there all the same. */
function tellKept(error: unknown, output: string, name: string): unknown {
  if (!(error instanceof EspalierError)) return error
  const command = task('publish', output, { name })
  return restate(error, {
    wording: say`${error.wording}; the encoder is kept in ${output}; publish it by ${command}`,
  })
}

/** The name to publish under; null where nothing is to be published. */
function checkOptions(folder: string, options: ExportOptions): string | null {
  const { publish, promote, idempotencyKey, by } = options
  if (publish === true) {
    checkPublication(options)
    return parseBareName(
      options.name ?? basename(resolve(folder)),
      'export --publish',
      'set --name',
    )
  }
  if (promote === true || idempotencyKey !== undefined || by !== undefined) {
    const message = '--promote, --idempotency-key and --by are of use with --publish only'
    throw new EspalierError('invalid_request', message)
  }
  return null
}
