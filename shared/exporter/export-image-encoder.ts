import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import {
  CALIBRATION_FILE,
  ENCODER_MANIFEST_FILE,
  type GraphSpec,
  type ImageEncoderManifest,
  type Precision,
} from '../lib/manifests/encoder-manifest.ts'
import { option, say } from '../lib/wording.ts'
import type { Graph } from '../onnx/graph.ts'
import { serializeModel } from '../onnx/writer.ts'
import { type Existing, writeArtifact } from './artifact/artifact-folder.ts'
import { computeFingerprint, computeImageFamily, EXPORTER_VERSION } from './artifact/fingerprint.ts'
import { measureImageGolden, minImageCosines, readImageGolden } from './artifact/image-golden.ts'
import { buildImageEncoderGraph, IMAGE_GRAPH_NAMES } from './image/image-encoder-graph.ts'
import { type ImageNetwork, readImageNetwork } from './image/image-network.ts'
import { chooseLayer, listTransferLayers } from './image/transfer-layers.ts'
import { CONVOLUTION_SCHEME } from './int8/image/convolution-int8.ts'
import { quantizeImageGraph } from './int8/image/image-int8.ts'
import { readImageFolder } from './source/image-folder.ts'
import { type FileEntry, sha256, writeHashedFile, writeModel } from './source/model-file.ts'

/** What an image counts in the queue: as a full run of texts, which takes about as long. */
const IMAGE_TOKENS = 512

/** What to export, and how. */
export interface ExportImageEncoderOptions {
  /** A folder with `model.onnx` and `preprocessor_config.json` or `espalier.json`; nothing in it is changed. */
  readonly folder: string
  /** The artifact folder to make; it appears whole or not at all. */
  readonly output: string
  readonly name?: string | undefined
  /** The layer to cut at, by its own name or its node's. @default what the last layer with weights reads */
  readonly layer?: string | undefined
  /** @default float32, and int8 where the folder brings `calibration.json` or `calibration` is given */
  readonly precisions?: readonly Precision[] | undefined
  /** A folder of the caller's own images for int8; they win over ranges that the folder brings, and over drawn ones. */
  readonly calibration?: string | undefined
  /** Threads of the calibration run. @default 1 */
  readonly threads?: number | undefined
  /** @default 'refuse' */
  readonly existing?: Existing | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Turns an ONNX image network into an encoder artifact in float32 and int8.
 * @throws EspalierError `unsupported_model` or `invalid_model_file` naming the file, `invalid_request` for a layer
 *   that is not there, `invalid_data` for images to calibrate on
 */
export async function exportImageEncoder(
  options: ExportImageEncoderOptions,
): Promise<ImageEncoderManifest> {
  const { folder, output, onProgress, signal } = options
  const precisions = choosePrecisions(options)
  const source = await readImageFolder(folder, options)
  onProgress?.('reading network', 0, 1)
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const layer = chooseLayer(network, layers, options.layer ?? source.layer)
  const graph = buildImageEncoderGraph(network, layer)
  onProgress?.('reading network', 1, 1)
  let manifest: ImageEncoderManifest | undefined
  await writeArtifact(output, options.existing ?? 'refuse', async (target) => {
    const { name, preprocessing, outputs } = source
    const pooling = layer.shape.length === 3 ? 'mean' : 'none'
    // What is computed, weights included, whatever file it came from.
    const digest = sha256(serializeModel(graph).graph)
    const family = computeImageFamily({ graph: digest, preprocessing, pooling })
    const task = { network, preprocessing, graph, family, precisions }
    const written = await writeGraphs(task, options, target)
    const draft: ImageEncoderManifest = {
      schema: 1,
      kind: 'embedding',
      modality: 'image',
      name,
      architecture: 'onnx',
      dimension: layer.shape[0] as number,
      normalize: true,
      preprocessing,
      layer: layer.name,
      pooling,
      layers,
      outputs: [...outputs],
      tokens: IMAGE_TOKENS,
      family,
      ...written,
      golden: [],
      minCosine: minImageCosines(precisions),
      createdWith: EXPORTER_VERSION,
    }
    signal?.throwIfAborted()
    onProgress?.('checking', 0, 1)
    // Those that ship are of the layer that ships, and of its own calibration.
    const isShipped = options.layer === undefined && options.calibration === undefined
    const shipped = isShipped ? await readImageGolden(folder) : null
    const covers = shipped?.every(({ vectors }) => precisions.every((each) => vectors[each]))
    const golden = covers && shipped ? shipped : await measureImageGolden(target, draft)
    manifest = { ...draft, golden }
    await writeHashedFile(join(target, ENCODER_MANIFEST_FILE), [
      new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`),
    ])
    onProgress?.('checking', 1, 1)
  })
  if (manifest) return manifest
  throw new EspalierError('internal', 'no manifest was written')
}

function choosePrecisions(options: ExportImageEncoderOptions): readonly Precision[] {
  const { folder, precisions, calibration } = options
  if (precisions === undefined) {
    const isAtHand = calibration !== undefined || existsSync(join(folder, CALIBRATION_FILE))
    return isAtHand ? ['float32', 'int8'] : ['float32']
  }
  if (precisions.length === 0) throw new EspalierError('invalid_request', 'no precision to export')
  if (precisions.includes('float16')) {
    throw new EspalierError(
      'invalid_request',
      say`${option('precision', 'float16')}: image encoders are exported in float32 and int8`,
    )
  }
  return precisions
}

interface GraphTask {
  readonly network: ImageNetwork
  readonly preprocessing: ImageEncoderManifest['preprocessing']
  /** In float32. */
  readonly graph: Graph
  readonly family: string
  readonly precisions: readonly Precision[]
}

async function writeGraphs(
  { network, preprocessing, graph, family, precisions }: GraphTask,
  options: ExportImageEncoderOptions,
  target: string,
): Promise<Pick<ImageEncoderManifest, 'graphs' | 'quantization' | 'files'>> {
  const { threads = 1, onProgress, signal, folder, calibration } = options
  const files: Record<string, FileEntry> = {}
  const graphs: Partial<Record<Precision, GraphSpec>> = {}
  const quantized = precisions.includes('int8')
    ? await quantizeImageGraph(
        { graph, input: network.input, preprocessing },
        { folder, images: calibration },
        { threads, onProgress, signal },
      )
    : null
  for (const [index, precision] of precisions.entries()) {
    signal?.throwIfAborted()
    onProgress?.('writing graphs', index, precisions.length)
    const isInt8 = precision === 'int8' && quantized !== null
    const written = await writeModel(isInt8 ? quantized.graph : graph, target, precision)
    Object.assign(files, written)
    const quantization = isInt8
      ? { scheme: CONVOLUTION_SCHEME, calibration: quantized.digest }
      : null
    graphs[precision] = {
      fingerprint: computeFingerprint(family, precision, quantization),
      file: `${precision}.onnx`,
      data: Object.keys(written).find((name) => name.endsWith('.data')) ?? null,
      inputs: [{ name: network.input.name, role: 'pixels', type: 'float32' }],
      ...IMAGE_GRAPH_NAMES,
      hidden: null,
      pooling: null,
    }
  }
  onProgress?.('writing graphs', precisions.length, precisions.length)
  if (quantized === null) return { graphs, quantization: null, files }
  const text = new TextEncoder().encode(`${JSON.stringify(quantized.calibration)}\n`)
  files[CALIBRATION_FILE] = await writeHashedFile(join(target, CALIBRATION_FILE), [text])
  const quantization = { scheme: CONVOLUTION_SCHEME, calibration: CALIBRATION_FILE }
  return { graphs, quantization, files }
}
