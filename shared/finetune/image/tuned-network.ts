import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDerived } from '../../exporter/artifact/derived-folder.ts'
import type { ImageNetwork } from '../../exporter/image/image-network.ts'
import type { ImageFolder } from '../../exporter/source/image-folder.ts'
import { OWN_IMAGE_CONFIG } from '../../exporter/source/is-image-folder.ts'
import { writeModel } from '../../exporter/source/model-file.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { cutGraph } from '../../onnx/cut.ts'
import type { Graph } from '../../onnx/graph.ts'
import { nameInNetwork } from './image-trunk.ts'

/** The network that was trained. */
export interface TrainedNetwork {
  readonly source: Pick<ImageFolder, 'preprocessing'>
  readonly network: ImageNetwork
  /** The layer that is its embedding. */
  readonly layer: TransferLayer
}

/**
 * Writes a network up to its embedding, with trained weights in place of its own, and how images are prepared
 * for it: float32, a folder that an export or another training takes. It appears whole or not at all.
 * @throws EspalierError `invalid_request` where the folder exists or cannot be written
 */
export async function writeTunedNetwork(
  output: string,
  { source, network, layer }: TrainedNetwork,
  values: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const trained = new Map([...values].map(([name, data]) => [nameInNetwork(name), data]))
  const graph = replaceWeights(cutNetwork(network, layer), trained)
  await writeDerived(output, async (target) => {
    await writeModel(graph, target, 'model')
    const { preprocessing } = source
    // The old output layers answer for the old vectors: they are named no more.
    const config = { modality: 'image', preprocessing, layer: layer.name }
    await writeFile(join(target, OWN_IMAGE_CONFIG), `${JSON.stringify(config, null, 2)}\n`)
  })
}

function cutNetwork({ graph, input }: ImageNetwork, { name, shape }: TransferLayer): Graph {
  const outputs = [{ name, type: 'float32' as const, shape: [input.shape[0] ?? 1, ...shape] }]
  return { ...cutGraph(graph, [name]), inputs: [input], outputs }
}

function replaceWeights(graph: Graph, trained: ReadonlyMap<string, Float32Array>): Graph {
  const left = new Set(trained.keys())
  const initializers = graph.initializers.map((tensor) => {
    const data = trained.get(tensor.name)
    left.delete(tensor.name)
    if (data === undefined || data.length === (tensor.data as Float32Array).length) {
      return data === undefined ? tensor : { ...tensor, data }
    }
    throw new EspalierError('internal', `${tensor.name}: ${data.length} numbers were trained`)
  })
  if (left.size === 0) return { ...graph, initializers }
  throw new EspalierError('internal', `no place in the network for ${[...left].join(', ')}`)
}
