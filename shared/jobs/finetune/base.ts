import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { listBuiltins } from '../../encoders/encoder-artifacts.ts'
import { writePlainFolder } from '../../exporter/artifact/plain-folder.ts'
import { listLayers } from '../../exporter/image/list-layers.ts'
import { layerBelowBlocks, layerNamed } from '../../exporter/image/transfer-blocks.ts'
import { checkRegexes } from '../../exporter/regexes/check-regexes.ts'
import type { SourceAnswers } from '../../exporter/source/answers.ts'
import { isImageFolder } from '../../exporter/source/is-image-folder.ts'
import { readSourceFolder } from '../../exporter/source/source-folder.ts'
import { EspalierError } from '../../lib/errors.ts'
import { ENCODER_MANIFEST_FILE } from '../../lib/manifests/encoder-manifest.ts'
import { isModelName } from '../../lib/text/model-address.ts'
import { hint, option, say, task, type Wording } from '../../lib/wording.ts'
import type { RegistryReader } from '../../registry/types.ts'
import type { TrainableLayers } from './request.ts'

/** An encoder of texts whose weights can be trained. */
export interface TextBaseFolder {
  readonly modality: 'text'
  /** Its Hugging Face folder. */
  readonly folder: string
  /**
   * A folder that leaves nothing open, which is made where its own does.
   * @param place for it, where nothing is yet
   */
  prepare(place: string): Promise<string>
  readonly layers: number
  readonly maxTokens: number
}

/** An image network whose weights can be trained. */
export interface ImageBaseFolder {
  readonly modality: 'image'
  /** With its ONNX file. */
  readonly folder: string
  /**
   * The blocks to train, the last few where none are asked for.
   * @throws EspalierError `invalid_request` for blocks or a layer that are not there, and for all of them
   */
  choose(base: string, asked: TrainableLayers | undefined): TrainableLayers
}

export type BaseFolder = TextBaseFolder | ImageBaseFolder

/** More take longer and were no better on the validation rows of a thousand cats and dogs. */
const DEFAULT_BLOCKS = 3

const ALTERNATIVE = hint(
  say`${task('train')} trains a classifier on its vectors as they are`,
  'a classifier can be trained on its vectors as they are',
)

/**
 * Finds the weights of a built-in encoder or of a folder.
 * @throws EspalierError `model_not_found`, `unsupported_model` where there are no weights to train,
 *   `invalid_model_file`
 */
export async function findBaseFolder(
  deps: {
    readonly builtinFolder: string
    readonly registry: RegistryReader
    readonly answers?: SourceAnswers | undefined
  },
  base: string,
): Promise<BaseFolder> {
  const folder = await findFolder(deps, base)
  if (isImageFolder(folder)) return readImageBase(folder)
  // Built-in encoders leave nothing open.
  const answers = folder === base ? deps.answers : {}
  const source = await readSourceFolder(folder, { ...answers, door: 'settings' })
  const { network, maxTokens } = source
  if (network.kind === 'onnx') {
    throw new EspalierError(
      'unsupported_model',
      say`${base}: a foreign ONNX file has no gradients, so that it cannot be fine-tuned; ${ALTERNATIVE}`,
      { param: 'encoder' },
    )
  }
  // What training makes of it is exported in the end, hours later.
  await checkRegexes(source, false)
  return {
    modality: 'text',
    folder,
    layers: network.config.layers,
    maxTokens,
    async prepare(place) {
      if (source.isPlain) return folder
      await writePlainFolder(source, place)
      return place
    },
  }
}

/**
 * The layers to train; those of an encoder of texts are all where none are asked for.
 * @throws EspalierError `invalid_request` for more layers than there are, or none of that name
 */
export function chooseTrainable(
  base: string,
  found: BaseFolder,
  asked: TrainableLayers | undefined,
): TrainableLayers {
  if (found.modality === 'image') return found.choose(base, asked)
  const { layers: available } = found
  const refuse = (message: Wording, param: string): never => {
    throw new EspalierError('invalid_request', message, { param })
  }
  if (asked?.kind === 'above') {
    refuse(
      say`${option('from-layer')} is for networks of images; with an encoder of texts, ${option('layers')} counts them`,
      'from-layer',
    )
  }
  if (asked?.kind === 'layers' && asked.count > available) {
    refuse(
      say`${option('layers', asked.count)}: ${base} has ${available} layers; ${option('full')} trains them all`,
      'layers',
    )
  }
  return asked ?? { kind: 'all' }
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
  const known = builtins.map((each) => each.name).join(', ')
  throw new EspalierError(
    'model_not_found',
    say`${option('encoder', base)}: neither a built-in encoder (${known}) nor a Hugging Face folder with config.json, nor the folder of an image network`,
    { param: 'encoder' },
  )
}

function withoutWeights(base: string, what: string): EspalierError {
  return new EspalierError(
    'unsupported_model',
    say`${option('encoder', base)} is ${what}, which holds graphs but no weights to train: name the Hugging Face folder that it was made from, such as ${option('output')} of a fine-tuning keeps; ${ALTERNATIVE}`,
    { param: 'encoder' },
  )
}

/** @throws EspalierError `unsupported_model`, `invalid_model_file` */
async function readImageBase(folder: string): Promise<ImageBaseFolder> {
  const { layers, chosen, blocks } = await listLayers(folder)
  const top = layers.find(({ name }) => name === chosen)
  if (top === undefined) throw new EspalierError('internal', `${folder}: no layer ${chosen}`)
  return {
    modality: 'image',
    folder,
    choose(base, asked = { kind: 'layers', count: Math.min(DEFAULT_BLOCKS, blocks.length) }) {
      if (asked.kind === 'layers') layerBelowBlocks(layers, top, asked.count)
      if (asked.kind === 'above') layerNamed(layers, top, asked.layer)
      if (asked.kind !== 'all') return asked
      throw new EspalierError(
        'invalid_request',
        say`${option('full')}: all of an image network takes too long and too much memory; train the last blocks of ${base} with ${option('layers', 'N')}, 1 to ${blocks.length}, or what is above a layer with ${option('from-layer', 'NAME')}`,
        { param: 'full' },
      )
    },
  }
}
