import { join } from 'node:path'
import {
  ENCODER_MANIFEST_FILE,
  type ImageEncoderManifest,
  type TransferLayer,
} from '../lib/encoder-manifest.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { serializeModel } from '../onnx/writer.ts'
import { type Existing, writeFolder } from './artifact-folder.ts'
import { EXPORTER_VERSION } from './exporter-version.ts'
import { computeFingerprint, computeImageFamily, sha256 } from './fingerprint.ts'
import { buildImageEncoderGraph, IMAGE_GRAPH_NAMES } from './image-encoder-graph.ts'
import { readImageFolder } from './image-folder.ts'
import { MIN_IMAGE_COSINE, measureImageGolden, readImageGolden } from './image-golden.ts'
import { type ImageNetwork, readImageNetwork } from './image-network.ts'
import { writeHashedFile, writeModel } from './model-file.ts'
import { chooseLayer, listTransferLayers } from './transfer-layers.ts'

/** What a picture counts in the queue: as a full run of texts, which takes about as long. */
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
  /** @default 'refuse' */
  readonly existing?: Existing | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Turns an ONNX image network into an encoder artifact in float32.
 * @throws EspalierError `unsupported_model` or `invalid_model_file` naming the file, `invalid_request` for a layer
 *   that is not there
 */
export async function exportImageEncoder(
  options: ExportImageEncoderOptions,
): Promise<ImageEncoderManifest> {
  const { folder, output, onProgress, signal } = options
  const source = await readImageFolder(folder, options)
  onProgress?.('reading network', 0, 1)
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const layer = chooseLayer(network, layers, options.layer ?? source.layer)
  onProgress?.('reading network', 1, 1)
  let manifest: ImageEncoderManifest | undefined
  await writeFolder(output, options.existing ?? 'refuse', async (target) => {
    signal?.throwIfAborted()
    onProgress?.('writing graphs', 0, 1)
    const written = await writeGraph(network, layer, target)
    onProgress?.('writing graphs', 1, 1)
    const { name, preprocessing, outputs } = source
    const pooling = layer.shape.length === 3 ? 'mean' : 'none'
    const family = computeImageFamily({ graph: written.digest, preprocessing, pooling })
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
      graphs: {
        float32: {
          fingerprint: computeFingerprint(family, 'float32', null),
          ...written.files,
          inputs: [{ name: network.input.name, role: 'pixels', type: 'float32' }],
          ...IMAGE_GRAPH_NAMES,
          hidden: null,
          pooling: null,
        },
      },
      quantization: null,
      golden: [],
      minCosine: { float32: MIN_IMAGE_COSINE },
      files: written.entries,
      createdWith: EXPORTER_VERSION,
    }
    signal?.throwIfAborted()
    onProgress?.('checking', 0, 1)
    // Those that ship are of the layer that ships.
    const shipped = options.layer === undefined ? await readImageGolden(folder) : null
    const golden = shipped ?? (await measureImageGolden(target, draft))
    manifest = { ...draft, golden }
    await writeHashedFile(join(target, ENCODER_MANIFEST_FILE), [
      new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`),
    ])
    onProgress?.('checking', 1, 1)
  })
  if (manifest) return manifest
  throw new EspalierError('internal', 'no manifest was written')
}

async function writeGraph(network: ImageNetwork, layer: TransferLayer, target: string) {
  const graph = buildImageEncoderGraph(network, layer)
  const entries = await writeModel(graph, target, 'float32')
  const data = Object.keys(entries).find((name) => name.endsWith('.data')) ?? null
  // What is computed, weights included, whatever file it came from.
  const digest = sha256(serializeModel(graph).graph)
  return { entries, files: { file: 'float32.onnx', data }, digest }
}
