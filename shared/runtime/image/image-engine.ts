import { EspalierError } from '../../lib/errors.ts'
import type { EncoderInput } from '../../lib/manifests/encoder-input.ts'
import type { ImageEncoderManifest } from '../../lib/manifests/encoder-manifest.ts'
import { MAX_IMAGE_PIXELS } from '../../lib/manifests/image-preprocessing.ts'
import { awaitVerified, type Engine, openOnDevice } from '../engine.ts'
import { type Batch, JobOutput, splitByMode, takeKnown, UnitRows } from '../job-output.ts'
import { HeadKernels } from '../kernels/head-kernels.ts'
import { type Job, type JobResult, toWireError, type WorkerInit } from '../protocol.ts'
import { type ImageDecoder, openImageDecoder } from './image-decoder.ts'
import { type ImageGraph, openImageGraph } from './image-graph.ts'
import { createTensorFiller, type TensorFiller } from './image-tensor.ts'

/**
 * Loads the graph of an image encoder, and what decodes its images.
 * @throws EspalierError `invalid_model_file`, `invalid_config` (device)
 */
export async function openImageEngine(
  init: WorkerInit,
  manifest: ImageEncoderManifest,
): Promise<Engine> {
  const { artifactDir, maxImagePixels = MAX_IMAGE_PIXELS, imageCheck } = init
  const decoder = await openImageDecoder(manifest.preprocessing, maxImagePixels, imageCheck)
  awaitVerified(init, 'graph')
  const graph = await openOnDevice(init, (spec, device) =>
    openImageGraph(artifactDir, manifest, spec, device),
  )
  return new ImageEngine(manifest, decoder, graph)
}

/**
 * Images run one at a time: the same bits alone and among others. While one runs the next is decoded, by threads
 * of libuv: the memory of one image at its own size and of two at the network's.
 */
class ImageEngine implements Engine {
  readonly heads: HeadKernels
  readonly #manifest: ImageEncoderManifest
  readonly #decoder: ImageDecoder
  readonly #fill: TensorFiller
  /** The input of the run under way: images run one at a time. */
  readonly #tensor: Float32Array
  readonly #graph: ImageGraph

  constructor(manifest: ImageEncoderManifest, decoder: ImageDecoder, graph: ImageGraph) {
    this.#manifest = manifest
    this.#decoder = decoder
    const { width, height } = manifest.preprocessing
    this.#fill = createTensorFiller(manifest.preprocessing)
    this.#tensor = new Float32Array(3 * width * height)
    this.#graph = graph
    this.heads = new HeadKernels(manifest.dimension)
  }

  async run(job: Job): Promise<JobResult> {
    const { dimension } = this.#manifest
    const started = performance.now()
    const output = new JobOutput(job, dimension)
    const known = new Set(job.known?.rows)
    let runMs = 0
    for (const batch of splitByMode(job, output)) {
      const { mode, members } = batch
      const unit = new UnitRows(mode.projection === 0 ? [] : members, dimension)
      if (job.known) takeKnown(job.known, batch, output, unit, dimension)
      const unknown = members.filter((member) => !known.has(member))
      let next = this.#decode(job, unknown[0], output)
      for (let at = 0; at < unknown.length; at++) {
        const decoded = await next
        next = this.#decode(job, unknown[at + 1], output)
        if (decoded) runMs += await this.#encode(decoded, batch, output, unit)
      }
      await this.heads.apply(batch, unit, output)
    }
    return output.finish(performance.now() - started - runMs, runMs)
  }

  async release(): Promise<void> {
    await this.heads.release()
    await this.#graph.release()
  }

  /** Null where there is nothing left, and for an input that fails on its own. */
  async #decode(job: Job, member: number | undefined, output: JobOutput): Promise<Decoded | null> {
    if (member === undefined) return null
    try {
      const input = job.inputs[member] as EncoderInput
      return { member, rgb: await this.#decoder.decode(readImage(input)) }
    } catch (error) {
      output.fail(member, toWireError(error))
      return null
    }
  }

  /** Runs one image; gives the milliseconds of that. */
  async #encode(
    { member, rgb }: Decoded,
    { mode }: Batch,
    output: JobOutput,
    unit: UnitRows,
  ): Promise<number> {
    try {
      const pixels = this.#fill(rgb, this.#tensor)
      const started = performance.now()
      const { embedding, pooled } = await this.#graph.run(pixels)
      const ended = performance.now()
      const norm = Math.hypot(...pooled)
      output.tokens[member] = this.#manifest.tokens
      output.norms[member] = norm
      output.setVectors([member], mode.normalize ? embedding : pooled)
      if (mode.projection !== 0) unit.set([member], embedding, [norm])
      return ended - started
    } catch (error) {
      output.fail(member, toWireError(error))
      return 0
    }
  }
}

interface Decoded {
  readonly member: number
  /** Shape [height, width, 3]. */
  readonly rgb: Uint8Array
}

function readImage(input: EncoderInput): Uint8Array {
  if (typeof input !== 'string') return input
  throw new EspalierError('wrong_modality', 'is a text; this encoder reads images')
}
