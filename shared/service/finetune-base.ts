import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isImageFolder } from '../exporter/is-image-folder.ts'
import { readSourceFolder, type SourceFolder } from '../exporter/source-folder.ts'
import { ENCODER_MANIFEST_FILE } from '../lib/encoder-manifest.ts'
import { EspalierError } from '../lib/errors.ts'
import { isModelName } from '../lib/model-address.ts'
import type { RegistryReader } from '../registry/types.ts'
import { listBuiltins } from './encoder-artifacts.ts'
import type { TrainableLayers } from './finetune-request.ts'

/** An encoder whose weights can be trained. */
export interface TrainableBase {
  /** Its Hugging Face folder. */
  readonly folder: string
  readonly source: SourceFolder
  readonly layers: number
}

const ALTERNATIVE = '"espalier train" trains a classifier on its vectors as they are'

/**
 * Finds the weights of a built-in encoder or of a Hugging Face folder.
 * @throws EspalierError `model_not_found`, `unsupported_model` where there are no weights to train,
 *   `invalid_model_file`
 */
export async function findTrainableBase(
  deps: { readonly builtinFolder: string; readonly registry: RegistryReader },
  base: string,
): Promise<TrainableBase> {
  const folder = await findFolder(deps, base)
  if (isImageFolder(folder)) {
    throw new EspalierError(
      'unsupported_model',
      `--base ${base} is an encoder of images; only encoders of texts can be fine-tuned; ${ALTERNATIVE}`,
      { param: 'base' },
    )
  }
  const source = await readSourceFolder(folder, {})
  const { network } = source
  if (network.kind === 'onnx') {
    throw new EspalierError(
      'unsupported_model',
      `${base}: a foreign ONNX file has no gradients, so that it cannot be fine-tuned; ${ALTERNATIVE}`,
      { param: 'base' },
    )
  }
  return { folder, source, layers: network.config.layers }
}

/** @throws EspalierError `invalid_request` for more layers than there are */
export function checkLayers(
  base: string,
  { layers: available }: TrainableBase,
  trainable: TrainableLayers,
): void {
  if (trainable.kind !== 'layers' || trainable.count <= available) return
  throw new EspalierError(
    'invalid_request',
    `--layers ${trainable.count}: ${base} has ${available} layers; --full trains them all`,
    { param: 'layers' },
  )
}

async function findFolder(
  { builtinFolder, registry }: { builtinFolder: string; registry: RegistryReader },
  base: string,
): Promise<string> {
  const builtins = await listBuiltins({ builtinFolder })
  const builtin = builtins.find(({ name }) => name === base.toLowerCase())
  if (builtin !== undefined) return join(builtinFolder, builtin.folder)
  if (existsSync(join(base, 'config.json')) || isImageFolder(base)) return base
  if (existsSync(join(base, ENCODER_MANIFEST_FILE)))
    throw withoutWeights(base, 'an exported encoder')
  const [name = ''] = base.toLowerCase().split('@')
  if (isModelName(name) && (await registry.listVersions(name)).length > 0) {
    throw withoutWeights(base, 'a version of the registry')
  }
  const texts = builtins.filter(({ folder }) => !isImageFolder(join(builtinFolder, folder)))
  const known = texts.map((each) => each.name).join(', ')
  throw new EspalierError(
    'model_not_found',
    `--base ${base}: neither a built-in encoder (${known}) nor a Hugging Face folder with config.json`,
    { param: 'base' },
  )
}

function withoutWeights(base: string, what: string): EspalierError {
  return new EspalierError(
    'unsupported_model',
    `--base ${base} is ${what}, which holds graphs but no weights to train: name the Hugging Face folder ` +
      `that it was made from, such as "espalier finetune --output" keeps; ${ALTERNATIVE}`,
    { param: 'base' },
  )
}
