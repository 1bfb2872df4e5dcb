import { join } from 'node:path'
import { readSourceFolder, type SourceFolder } from '../../exporter/source/source-folder.ts'
import { type EncoderWeights, loadWeights } from '../../exporter/source/weights.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { FineTuneRequest } from '../types.ts'
import { writeRandomFolder } from './tuned-folder.ts'

/** The encoder that training starts from. */
export interface Base {
  /** Holds the weights as they are at the start. */
  readonly folder: string
  readonly source: SourceFolder
  readonly weights: EncoderWeights
}

/**
 * Reads the base; with random initialisation a copy of it that has forgotten everything.
 * @param scratch a folder for that copy
 * @throws EspalierError `unsupported_model` for somebody else's graph, which has no weights to train
 */
export async function readBase(
  request: Pick<FineTuneRequest, 'baseFolder' | 'initialisation' | 'settings'>,
  scratch: string,
): Promise<Base> {
  const source = await readSourceFolder(request.baseFolder, { name: 'base' })
  if (source.network.kind === 'onnx') {
    throw new EspalierError(
      'unsupported_model',
      `${request.baseFolder}: an ONNX graph without model.safetensors cannot be fine-tuned; ` +
        'train a head on it as it is with "espalier train", or give a folder with its weights',
    )
  }
  let folder = request.baseFolder
  if (request.initialisation === 'random') {
    folder = join(scratch, 'random')
    await writeRandomFolder(request.baseFolder, folder, request.settings.seed)
  }
  const weights = await loadWeights(folder, source.network.config, source.sentence.dense)
  return { folder, source, weights }
}

/** Bytes of all weights in memory. */
export function weightBytes(weights: EncoderWeights): number {
  const layers = weights.layers.flatMap(({ qkv, out, ffnIn, ffnOut }) => [qkv, out, ffnIn, ffnOut])
  const tables = weights.words.byteLength + weights.positions.byteLength
  return layers.reduce((sum, { weight }) => sum + weight.byteLength, tables)
}
