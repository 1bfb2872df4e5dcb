import type { TransferLayer } from '../lib/encoder-manifest.ts'
import { readImageFolder } from './image-folder.ts'
import { readImageNetwork } from './image-network.ts'
import { chooseLayer, listTransferLayers } from './transfer-layers.ts'

/** The layers that a network can be cut at, from the input on. */
export interface ListedLayers {
  readonly layers: readonly TransferLayer[]
  /** The one that an export takes where none is named. */
  readonly chosen: string
}

/**
 * Lists the candidate transfer layers of an image network's folder.
 * @throws EspalierError `unsupported_model` or `invalid_model_file` naming the file
 */
export async function listLayers(folder: string): Promise<ListedLayers> {
  const source = await readImageFolder(folder, { name: 'network' })
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  return { layers, chosen: chooseLayer(network, layers, source.layer).name }
}
