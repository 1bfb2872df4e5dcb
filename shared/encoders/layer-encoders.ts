import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isImageFolder } from '../exporter/source/is-image-folder.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import { ENCODER_MANIFEST_FILE, type TransferLayer } from '../lib/manifests/encoder-manifest.ts'
import {
  type ArtifactOptions,
  type EncoderArtifact,
  hashFolder,
  listBuiltins,
  readManifest,
} from './encoder-artifacts.ts'

/** An image network whose layers can be told apart. */
export interface LayeredNetwork {
  readonly name: string
  /** All that it can be cut at, from the input on. */
  readonly layers: readonly string[]
  /** The one that it is cut at where none is named. */
  readonly standard: string
  /** A few worth trying: the standard one, then the last of each shape, the deepest first. */
  readonly promising: readonly string[]
  /**
   * The encoder of a layer, exported into the cache on first use.
   * @throws EspalierError `invalid_request` for a layer that is not there
   */
  prepare(layer: string, options?: PrepareOptions): Promise<EncoderArtifact>
}

export interface PrepareOptions {
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Each costs a pass over all images. */
const MAX_PROMISING = 6
/** Part of every cache key: raised when exports of older releases should be made again. */
const LAYER_REVISION = 1

/**
 * Opens the network of an image encoder: a built-in one, or a folder with its ONNX file.
 * @throws EspalierError `unsupported_model` for what is no such network, or one that is cut already
 */
export async function openLayeredNetwork(
  options: ArtifactOptions,
  encoder: string,
): Promise<LayeredNetwork> {
  const builtin = (await listBuiltins(options)).find(({ name }) => name === encoder.toLowerCase())
  const folder = builtin ? join(options.builtinFolder, builtin.folder) : encoder
  if (existsSync(join(folder, ENCODER_MANIFEST_FILE)) || !isImageFolder(folder)) {
    throw new EspalierError(
      'unsupported_model',
      `${encoder}: layers are those of an image network: name a built-in one or the folder with its ONNX file`,
      { param: 'encoder' },
    )
  }
  const { listLayers } = await import('../exporter/image/list-layers.ts')
  const { layers, chosen } = await listLayers(folder)
  const { readImageFolder } = await import('../exporter/source/image-folder.ts')
  const { name } = await readImageFolder(folder)
  const files = await hashFolder(folder)
  return {
    name,
    layers: layers.map((layer) => layer.name),
    standard: chosen,
    promising: choosePromising(layers, chosen),
    async prepare(layer, { onProgress, signal } = {}) {
      const key = JSON.stringify([LAYER_REVISION, files, layer])
      const hash = createHash('sha256').update(key).digest('hex').slice(0, 32)
      const output = join(options.cacheFolder, 'encoders', hash)
      if (!existsSync(join(output, ENCODER_MANIFEST_FILE))) {
        const { exportImageEncoder } = await import('../exporter/export-image-encoder.ts')
        const common = { folder, output, existing: 'keep', onProgress, signal } as const
        const own = layer === chosen ? {} : { layer, name: nameOfLayer(name, layer) }
        await exportImageEncoder({ ...common, ...own })
      }
      return { folder: output, manifest: await readManifest(output), cached: true }
    },
  }
}

/** The name of the encoder that a network is at a layer: `efficientnet-lite0-blocks.14-add`. */
function nameOfLayer(network: string, layer: string): string {
  const words = layer
    .toLowerCase()
    .replace(/_?output(?:_\d+)?$/, '')
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  return `${network}-${words}`.slice(0, 63).replace(/[-.]+$/, '')
}

type Layers = readonly TransferLayer[]

/** Layers of one shape mean much the same; those with the weights of the standard one give its very vectors. */
function choosePromising(layers: Layers, standard: string): string[] {
  const parametersOf = layers.find(({ name }) => name === standard)?.parameters ?? 0
  const chosen = [standard]
  const shapes = new Set<string>()
  for (const { name, shape, parameters } of layers.toReversed()) {
    const key = shape.join('x')
    if (chosen.length >= MAX_PROMISING) break
    if (parameters >= parametersOf || shapes.has(key)) continue
    shapes.add(key)
    chosen.push(name)
  }
  return chosen
}
