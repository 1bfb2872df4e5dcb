import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { type ModelScan, scanModel } from '../../onnx/scan-model.ts'
import type { TransformerConfig } from '../architectures/architecture.ts'
import { askFor, howToSay, type SourceAnswers } from './answers.ts'
import {
  findForeignModel,
  findNamedModel,
  isUsualPlace,
  listOnnxFiles,
  MAX_MODEL_BYTES,
} from './onnx-file.ts'
import { findWeights, openWeights } from './open-weights.ts'
import { readTransformerConfig } from './source-config.ts'

/** What the graph is made from: weights of a known architecture, or somebody's ONNX file. */
export type SourceNetwork = WeightsNetwork | GraphNetwork

export interface WeightsNetwork {
  readonly kind: 'weights'
  readonly config: TransformerConfig
  /** Names of all tensors that the folder has. */
  readonly tensors: readonly string[]
}

export interface GraphNetwork {
  readonly kind: 'onnx'
  readonly path: string
  readonly scan: ModelScan
  /** Nobody named it: it lies where every release has looked. */
  readonly isUsual: boolean
}

/**
 * Finds what a folder's vectors are computed by: the ONNX file that somebody named, else weights of a known
 * architecture, else `onnx/model.onnx`.
 * @throws EspalierError `invalid_model_file` where there is nothing, `unsupported_model`; `invalid_request` or
 *   `invalid_config` where one of several files is to be named
 */
export async function findNetwork(
  folder: string,
  { onnx: named, door = 'options' }: SourceAnswers,
): Promise<SourceNetwork> {
  if (named !== undefined) return readGraph(folder, await findNamedModel(folder, named))
  const onnx = findForeignModel(folder)
  const weights = await findWeights(folder)
  // An ONNX file wins over all but one safetensors file, as it always did.
  if (weights?.kind !== 'safetensors' && onnx !== null) return readGraph(folder, onnx)
  if (weights === null) {
    const what = 'has neither model.safetensors, pytorch_model.bin nor onnx/model.onnx'
    const others = await listOnnxFiles(folder)
    if (others.length === 0) throw new EspalierError('invalid_model_file', `${folder}: ${what}`)
    const ways = howToSay(door, 'onnx', 'FILE')
    const wording = [`${what}; to take another file, `, ...ways, `; there is: ${others.join(', ')}`]
    throw askFor(folder, door, [{ about: 'onnx', wording }])
  }
  try {
    const config = await readTransformerConfig(folder)
    const file = await openWeights(folder)
    await file.close()
    return { kind: 'weights', config, tensors: file.names }
  } catch (error) {
    const unsupported = error instanceof EspalierError && error.code === 'unsupported_model'
    if (unsupported && onnx !== null) return readGraph(folder, onnx)
    throw error
  }
}

async function readGraph(folder: string, path: string): Promise<GraphNetwork> {
  const { size } = await stat(path)
  if (size > MAX_MODEL_BYTES) {
    const message = `${path}: has ${size} bytes; at most ${MAX_MODEL_BYTES}`
    throw new EspalierError('invalid_model_file', message)
  }
  const scan = scanModel(await readFile(path))
  return { kind: 'onnx', path, scan, isUsual: isUsualPlace(folder, path) }
}

/** The files beside the ONNX graph of a folder that its weights lie in; none where it is damaged, or there is none. */
export async function listDataFiles(
  folder: string,
  named: string | undefined,
): Promise<readonly string[]> {
  try {
    const path = named === undefined ? findForeignModel(folder) : join(folder, named)
    if (path === null) return []
    const { scan } = await readGraph(folder, path)
    return [...scan.dataFiles].map((name) => join(dirname(path), name))
  } catch {
    return []
  }
}
