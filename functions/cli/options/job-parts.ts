import { join } from 'node:path'
import type { Command } from 'commander'
import type { FineTuneDeps } from '../../../shared/jobs/finetune/request.ts'
import type { Clock } from '../../../shared/lib/clock.ts'
import type { Progress } from '../../../shared/lib/logger.ts'
import { type Precision, precisionSchema } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { parseModelAddress } from '../../../shared/lib/text/model-address.ts'
import type { Boot } from '../../boot/types.ts'
import { addOldName } from './declare.ts'
import { oneOf, wholeNumber } from './parsers.ts'

/** Options of every command that runs an encoder. */
export interface EncoderOptions {
  readonly encoder?: string
  readonly precision?: Precision
  readonly workers?: number
}

/** Adds the options of `EncoderOptions`. */
export function addEncoderOptions(command: Command, flags = '--encoder <name>'): Command {
  return command
    .option(flags, 'encoder, by name or folder; default: ESPALIER_ENCODER')
    .option(
      '--precision <precision>',
      'int8, float32 or float16; default: ESPALIER_PRECISION',
      oneOf(precisionSchema.options),
    )
    .option('--workers <n>', 'worker threads; default: ESPALIER_WORKERS', wholeNumber(1, 256))
}

/** The same where the encoder is all that a command takes: with a short name, and the older long one. */
export function addMainEncoderOptions(command: Command): Command {
  return addOldName(addEncoderOptions(command, '-m, --encoder <name>'), '--model <name>', 'encoder')
}

/** The encoder of images where none is named. */
export const IMAGE_ENCODER = 'efficientnet-lite0'

/** The encoder for inputs of a kind, to be spread over options: the one asked for, else that of images. */
export function encoderFor(
  { encoder }: Pick<EncoderOptions, 'encoder'>,
  modality: 'text' | 'image',
): Pick<EncoderOptions, 'encoder'> {
  if (encoder !== undefined) return { encoder }
  return modality === 'image' ? { encoder: IMAGE_ENCODER } : {}
}

/** The parts that training, evaluation and prediction have in common. */
export async function openJobParts(boot: Boot, options: EncoderOptions, signal: AbortSignal) {
  const { encoder: model, precision, workers } = options
  return {
    registry: await boot.openRegistry(),
    embeddingFolder: join(boot.cacheFolder, 'embeddings'),
    unpublishedFolder: join(boot.cacheFolder, 'unpublished'),
    log: boot.log,
    openKernels: () => boot.openKernels(),
    openThumbnailer: () => boot.openThumbnailer(),
    openEncoder: (onProgress?: Progress) =>
      boot.openEncoder({ model, precision, workers, onProgress, signal }),
  }
}

/** The parts that fine-tuning works with. */
export async function openFineTuneParts(
  boot: Boot,
  { workers, clock }: { readonly workers?: number | undefined; readonly clock: Clock },
): Promise<FineTuneDeps> {
  return {
    ...boot.fineTuning,
    registry: await boot.openRegistry(),
    openEncoder: (options) => boot.openEncoder({ ...options, workers }),
    exportEncoder: (options) => boot.exportEncoder(options),
    exportImageEncoder: (options) => boot.exportImageEncoder(options),
    openThumbnailer: () => boot.openThumbnailer(),
    openKernels: () => boot.openKernels(),
    builtinEncoders: () => boot.builtinEncoders(),
    embeddingFolder: join(boot.cacheFolder, 'embeddings'),
    unpublishedFolder: join(boot.cacheFolder, 'unpublished'),
    scratchFolder: join(boot.cacheFolder, 'fine-tuning'),
    log: boot.log,
    clock,
  }
}

/**
 * The same for a head: what is classified is read by the encoder that the head was trained on, where the registry has it,
 * unless another is named. Other heads of texts are read by the encoder that is configured.
 */
export async function openHeadParts(
  boot: Boot,
  model: string,
  modality: 'text' | 'image',
  options: EncoderOptions,
  signal: AbortSignal,
) {
  if (options.encoder !== undefined) return openJobParts(boot, options, signal)
  const { encoderOfHead } = await import('../../../shared/encoders/resolve-encoder.ts')
  const registry = await boot.openRegistry()
  const { name } = parseModelAddress(model)
  const { version } = await registry.resolve(model, { signal })
  const head = await registry.getVersion(name, version, { signal })
  const found = await encoderOfHead(registry, head, signal)
  // A name without a version is of an encoder that the registry does not have.
  const own = found?.includes('@') === true ? found : undefined
  const encoder = modality === 'image' ? (found ?? IMAGE_ENCODER) : own
  return openJobParts(boot, { ...options, ...(encoder !== undefined && { encoder }) }, signal)
}
