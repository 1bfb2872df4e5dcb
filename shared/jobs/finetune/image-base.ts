import { listLayers } from '../../exporter/image/list-layers.ts'
import { layerBelowBlocks, layerNamed } from '../../exporter/image/transfer-blocks.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { TrainableLayers } from './request.ts'

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

/** More take longer and were no better on the validation rows of a thousand cats and dogs. */
const DEFAULT_BLOCKS = 3

/** @throws EspalierError `unsupported_model`, `invalid_model_file` */
export async function readImageBase(folder: string): Promise<ImageBaseFolder> {
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
        `--full: all of an image network takes too long and too much memory; train the last blocks of ${base} with ` +
          `--layers N, 1 to ${blocks.length}, or what is above a layer with --from-layer NAME`,
        { param: 'full' },
      )
    },
  }
}
