import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { TransformerConfig } from '../architectures/architecture.ts'
import { ARCHITECTURES, findArchitecture, MODEL_TYPES } from '../architectures/table.ts'
import { readJsonFile } from './json-file.ts'

export const POOLINGS = ['mean', 'cls', 'max'] as const
export type Pooling = (typeof POOLINGS)[number]

/** Reads and checks `config.json`. @throws EspalierError `unsupported_model` naming what is supported */
export async function readTransformerConfig(folder: string): Promise<TransformerConfig> {
  const path = join(folder, 'config.json')
  const head = await readJsonFile(path, z.looseObject({ model_type: z.string().max(64) }))
  if (head === null) {
    throw new EspalierError('invalid_model_file', `${folder}: has no config.json`)
  }
  const architecture = findArchitecture(head.model_type)
  if (architecture === null) {
    throw new EspalierError(
      'unsupported_model',
      `config.json: model_type ${head.model_type}; supported: ${MODEL_TYPES.join(', ')}, or any encoder as onnx/model.onnx`,
    )
  }
  const config = await readJsonFile(path, ARCHITECTURES[architecture].config)
  if (config === null) throw new EspalierError('invalid_model_file', 'config.json disappeared')
  if (config.hidden % config.heads !== 0) {
    throw new EspalierError(
      'invalid_model_file',
      `config.json: hidden size ${config.hidden} is not a multiple of ${config.heads} heads`,
    )
  }
  const isRotated = config.attention?.some(({ ropeBase }) => ropeBase !== null) ?? false
  if (isRotated && (config.hidden / config.heads) % 2 !== 0) {
    throw new EspalierError(
      'invalid_model_file',
      `config.json: heads of ${config.hidden / config.heads} numbers cannot be rotated by halves`,
    )
  }
  return config
}
