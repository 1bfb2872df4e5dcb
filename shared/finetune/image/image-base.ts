import { readImageNetwork } from '../../exporter/image/image-network.ts'
import { layerBelowBlocks, layerNamed } from '../../exporter/image/transfer-blocks.ts'
import { chooseLayer, listTransferLayers } from '../../exporter/image/transfer-layers.ts'
import { readImageFolder } from '../../exporter/source/image-folder.ts'
import { EspalierError } from '../../lib/errors.ts'
import type { TransferLayer } from '../../lib/manifests/encoder-manifest.ts'
import { MAX_IMAGE_PIXELS } from '../../lib/manifests/image-preprocessing.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import type { Graph } from '../../onnx/graph.ts'
import { openImageDecoder } from '../../runtime/image/image-decoder.ts'
import { createTensorFiller } from '../../runtime/image/image-tensor.ts'
import { cancelledEarly, reportPhase } from '../progress.ts'
import type { TrainableBase } from '../trainable-base.ts'
import type { FineTuneTools, LabelledTexts, Trainable, WorkerRequest } from '../types.ts'
import { createFeatureSource, fillImageRows } from './image-rows.ts'
import { createImageTrunk } from './image-trunk.ts'
import { writeTunedNetwork } from './tuned-network.ts'

/**
 * Opens an image network, cut at the layer below what is trained. Images are read when their rows are prepared.
 * @throws EspalierError `unsupported_model`, `invalid_model_file`, `invalid_request`
 */
export async function openImageBase(
  request: WorkerRequest,
  { loadImage }: Pick<FineTuneTools, 'loadImage'>,
): Promise<TrainableBase> {
  const { settings, train, validation, initialisation } = request
  const { maxImagePixels = MAX_IMAGE_PIXELS, imageCheck } = request
  if (initialisation === 'random') {
    const message = 'image networks are trained from their own weights, not from random ones'
    throw new EspalierError('invalid_request', message)
  }
  const source = await readImageFolder(request.baseFolder, { name: 'base' })
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const layer = chooseLayer(network, layers, source.layer)
  const below = chooseBelow(layers, layer, settings.trainable)
  const trunk = createImageTrunk({ network, layer, below })
  const { preprocessing } = source
  const width = countElements(trunk.shape)
  const rows = train.texts.length + validation.texts.length
  const { flip } = settings
  const held = rows + (flip ? train.texts.length : 0)
  return {
    trunk,
    weightBytes: bytesOf(network.graph),
    rowBytes: held * width * Float32Array.BYTES_PER_ELEMENT,
    tokens: null,
    truncated: { train: 0, validation: 0 },
    async prepareRows(tools) {
      const decoder = await openImageDecoder(preprocessing, maxImagePixels, imageCheck)
      const session = await tools.folder.open('lower', trunk.lower)
      const common = {
        ...{ session, trunk, decoder },
        fill: createTensorFiller(preprocessing),
        dims: [1, 3, preprocessing.height, preprocessing.width],
      }
      const prepare = async (set: 'train' | 'validation', done: number, twice: boolean) => {
        const values = await fillImageRows(request[set].texts, {
          ...common,
          flip: twice,
          load: (row) => loadImage(set, row),
          onRow(row) {
            if (tools.isCancelled()) throw cancelledEarly()
            reportPhase(tools, 'caching', done + row, rows)
          },
        })
        const source = createFeatureSource(values, trunk.shape)
        return { source, rows: twice ? repeatRows(request[set]) : request[set] }
      }
      const prepared = {
        train: await prepare('train', 0, flip),
        validation: await prepare('validation', train.texts.length, false),
      }
      await session.release()
      return prepared
    },
    write: (output, values) => writeTunedNetwork(output, { source, network, layer }, values),
  }
}

/** Every row twice, one after the other; both stay in one fold. */
function repeatRows({ texts, targets, classes, together }: LabelledTexts): LabelledTexts {
  const repeated = new Float32Array(2 * targets.length)
  for (let row = 0; row < texts.length; row++) {
    const own = targets.subarray(row * classes, (row + 1) * classes)
    repeated.set(own, 2 * row * classes)
    repeated.set(own, (2 * row + 1) * classes)
  }
  // Numbers of units, with one of its own for each row that stands alone.
  const alone = 1 + (together?.reduce((a, b) => Math.max(a, b), -1) ?? -1)
  const units = Int32Array.from({ length: 2 * texts.length }, (_, at) => {
    const row = at >> 1
    const unit = together?.[row] ?? -1
    return unit >= 0 ? unit : alone + row
  })
  return {
    texts: texts.flatMap((text) => [text, text]),
    targets: repeated,
    classes,
    together: units,
  }
}

function chooseBelow(
  layers: readonly TransferLayer[],
  layer: TransferLayer,
  trainable: Trainable,
): TransferLayer | null {
  if (trainable.kind === 'head') return null
  if (trainable.kind === 'layers') return layerBelowBlocks(layers, layer, trainable.count)
  if (trainable.kind === 'above') return layerNamed(layers, layer, trainable.layer)
  throw new EspalierError(
    'invalid_request',
    'all layers of an image network are not trained: name how many blocks are, or the layer below them',
  )
}

function bytesOf({ initializers }: Graph): number {
  return initializers.reduce((sum, { data }) => sum + data.byteLength, 0)
}
