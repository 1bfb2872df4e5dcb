import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import {
  type ImagePreprocessing,
  imagePreprocessingSchema,
} from '../../lib/manifests/image-preprocessing.ts'
import { OWN_IMAGE_CONFIG, PREPROCESSOR_CONFIG } from './is-image-folder.ts'
import { readJsonFile } from './json-file.ts'
import { findForeignModel } from './onnx-file.ts'
import { checkOwnFiles } from './own-files.ts'
import { fromPreprocessorConfig, preprocessorConfigSchema } from './preprocessor-config.ts'
import { chooseName } from './source-folder.ts'

/** Our own word on an image network; it wins over what else the folder has. */
const ownConfigSchema = z.strictObject({
  modality: z.literal('image'),
  preprocessing: imagePreprocessingSchema.optional(),
  /** The layer to cut at. */
  layer: z.string().optional(),
  /** Published heads that are the network's own output layer. */
  outputs: z.array(z.string()).default([]),
})

/** The folder of an image network, read as far as its configuration goes. */
export interface ImageFolder {
  readonly folder: string
  readonly name: string
  /** The ONNX file. */
  readonly model: string
  readonly preprocessing: ImagePreprocessing
  readonly layer: string | undefined
  readonly outputs: readonly string[]
}

/**
 * Reads and validates the folder of an image network.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`, `invalid_name`
 */
export async function readImageFolder(
  folder: string,
  overrides: { readonly name?: string | undefined } = {},
): Promise<ImageFolder> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new EspalierError('invalid_model_file', `${folder}: no such folder`)
  }
  await checkOwnFiles(folder)
  const model = findForeignModel(folder)
  if (model === null) {
    throw new EspalierError(
      'invalid_model_file',
      `${folder}: has no model.onnx, nor onnx/model.onnx`,
    )
  }
  const own = await readJsonFile(join(folder, OWN_IMAGE_CONFIG), ownConfigSchema)
  const preprocessing = own?.preprocessing ?? (await readHuggingFace(folder))
  checkCrop(preprocessing)
  return {
    folder,
    name: chooseName(folder, overrides.name),
    model,
    preprocessing,
    layer: own?.layer,
    outputs: own?.outputs ?? [],
  }
}

async function readHuggingFace(folder: string): Promise<ImagePreprocessing> {
  const config = await readJsonFile(join(folder, PREPROCESSOR_CONFIG), preprocessorConfigSchema)
  if (config) return fromPreprocessorConfig(config)
  throw new EspalierError(
    'invalid_model_file',
    `${folder}: has neither ${PREPROCESSOR_CONFIG} nor ${OWN_IMAGE_CONFIG} with "preprocessing": how are images prepared?`,
  )
}

function checkCrop({ width, height, resize, crop }: ImagePreprocessing): void {
  if (crop === 'center' ? resize.size >= Math.max(width, height) : resize.rule === 'exact') return
  throw new EspalierError(
    'invalid_model_file',
    `${OWN_IMAGE_CONFIG}: preprocessing: ${resize.rule} to ${resize.size} does not give ${width} x ${height} with crop ${crop}`,
  )
}
