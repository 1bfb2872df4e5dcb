import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { readImageFolder } from '../source/image-folder.ts'
import { readImageNetwork } from './image-network.ts'
import { listBlocks } from './transfer-blocks.ts'
import { chooseLayer, listTransferLayers } from './transfer-layers.ts'

/** The layers that a network can be cut at, from the input on. */
export interface ListedLayers {
  readonly layers: readonly TransferLayer[]
  /** The one that an export takes where none is named. */
  readonly chosen: string
  /** Where its blocks end, from the input on: fine-tuning trains what lies above one of them. */
  readonly blocks: readonly string[]
}

/**
 * Lists the candidate transfer layers of an image network's folder.
 * @throws EspalierError `unsupported_model` or `invalid_model_file` naming the file
 */
export async function listLayers(folder: string): Promise<ListedLayers> {
  const source = await readImageFolder(folder, { name: 'network' })
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const chosen = chooseLayer(network, layers, source.layer)
  const blocks = listBlocks(layers, chosen).map(({ name }) => name)
  return { layers, chosen: chosen.name, blocks }
}
