import { basename, resolve } from 'node:path'
import { EspalierError, restate } from '../../../../shared/lib/errors.ts'
import type { Modality } from '../../../../shared/lib/manifests/encoder-input.ts'
import type {
  EncoderManifest,
  Precision,
} from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import { print, say, task } from '../../../../shared/lib/wording.ts'
import type { Boot } from '../../../boot/types.ts'
import type { CommandContext } from '../../context.ts'
import type { ProgressDisplay } from '../../output/progress.ts'
import { COMMAND_LINE } from '../../output/report-error.ts'
import { checkPublication, publishPath } from '../publish.ts'
import {
  chooseNames,
  describe,
  describeHead,
  findClassifier,
  listModels,
  type NamedModel,
  type Published,
  tellClassifier,
  tellManifest,
} from './models.ts'
import type { ExportOptions } from './options.ts'

const TEXT_PRECISIONS: readonly Precision[] = ['float32', 'int8']

/** Exports a folder, publishes the artifact where that is asked for, and says what was made. */
export async function exportFolder(
  context: CommandContext,
  folder: string,
  { json, quiet, ...options }: ExportOptions,
): Promise<void> {
  checkOptions(options)
  const output = options.output ?? `${basename(resolve(folder))}-encoder`
  const display = context.progress(quiet === true)
  try {
    const boot = await context.boot()
    const modality = options.modality ?? (await boot.modalityOf(folder))
    const classifier = await findClassifier(boot, folder, modality, options)
    const names = chooseNames(folder, options, classifier)
    const models = options.publish === true ? listModels(names) : []
    for (const model of models) await checkTarget(context, boot, model)
    const wanted = { ...options, modality, ...(names.encoder !== null && { name: names.encoder }) }
    const isTaken = classifier !== null
    const manifest = await runExport(context, boot, { folder, output, isTaken }, wanted, display)
    const published: Published[] = []
    for (const model of models) {
      const flags = {
        ...options,
        ...model,
        ...(model.kind === 'classifier' &&
          classifier &&
          describeHead(folder, classifier, published)),
      }
      const done = await publishPath(context, boot, output, flags, display).catch(
        (error: unknown) => {
          throw tellKept(error, output, model, isTaken)
        },
      )
      published.push({ model: formatModelVersion(done.result.version), lines: done.lines })
    }
    display.stop()
    if (json === true) {
      return await context.print(JSON.stringify(describe(manifest, classifier, published), null, 2))
    }
    await context.print(tellManifest(output, manifest))
    if (classifier !== null) {
      await context.print(tellClassifier(classifier, names, options.publish === true, output))
    }
    for (const line of published.flatMap(({ lines }) => lines)) await context.print(line)
  } finally {
    display.stop()
  }
}

/** Exports by the modality that is asked for, or that the folder is of. */
async function runExport(
  { signal }: CommandContext,
  boot: Boot,
  { folder, output, isTaken }: { folder: string; output: string; isTaken: boolean },
  options: ExportOptions & { readonly modality: Modality },
  { report: onProgress, note }: ProgressDisplay,
): Promise<EncoderManifest> {
  const { name, modality, layer, calibration, allowRegex, precision } = options
  const { pooling, maxTokens, prompt: prompts, headless, onnx, keepTokens } = options
  const common = { folder, output, name, onProgress, signal }
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
      classifier: isTaken,
      onnx,
      keepTokens,
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
    'keep-tokens': keepTokens,
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
async function checkTarget(
  { signal }: CommandContext,
  boot: Boot,
  { name, kind }: NamedModel,
): Promise<void> {
  const { checkTargetKind } = await import('../../../../shared/versions/publish-model.ts')
  const registry = await boot.openRegistry()
  await checkTargetKind(registry, name, kind, signal)
  await registry.checkWritable(name, { signal })
}

/** The failure of a publication, with what is there all the same; beside a head the kind says which is meant. */
function tellKept(
  error: unknown,
  output: string,
  { name, kind }: NamedModel,
  isTaken: boolean,
): unknown {
  if (!(error instanceof EspalierError)) return error
  const command = task('publish', output, { name, ...(isTaken && { kind }) })
  const what = kind === 'embedding' ? 'the encoder' : 'the classifier'
  return restate(error, {
    wording: say`${error.wording}; ${what} is kept in ${output}; publish it by ${command}`,
  })
}

/** @throws EspalierError `invalid_request` for options that mean nothing together */
function checkOptions(options: ExportOptions): void {
  const { publish, promote, idempotencyKey, by } = options
  if (publish === true) checkPublication(options)
  else if (promote === true || idempotencyKey !== undefined || by !== undefined) {
    const message = '--promote, --idempotency-key and --by are of use with --publish only'
    throw new EspalierError('invalid_request', message)
  }
}
