import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import type { GraphSpec, ImageEncoderManifest } from '../../lib/manifests/encoder-manifest.ts'
import { type Device, openSession, type Session } from '../session.ts'

/** What an image gives, of shape [dimension] each. */
export interface ImageVectors {
  readonly embedding: Float32Array
  readonly pooled: Float32Array
}

/** The open graph of one image encoder; owned by one thread. */
export interface ImageGraph {
  /** Runs one image, a tensor of shape [3, height, width]. */
  run(pixels: Float32Array): Promise<ImageVectors>
  release(): Promise<void>
}

/** Opens a graph of the artifact. @throws EspalierError `invalid_model_file` */
export async function openImageGraph(
  artifactDir: string,
  manifest: ImageEncoderManifest,
  spec: GraphSpec,
  device: Device,
): Promise<ImageGraph> {
  const { dimension, preprocessing } = manifest
  const dims = [1, 3, preprocessing.height, preprocessing.width]
  const [input] = spec.inputs
  const { embedding, pooled } = spec
  if (!input || pooled === null) {
    throw new EspalierError('invalid_model_file', `${manifest.name}: its graph lacks a name`)
  }
  const session = await openSession(join(artifactDir, spec.file), { device })
  const read = (outputs: Awaited<ReturnType<Session['run']>>, name: string): Float32Array => {
    const data = outputs[name]?.data
    if (data instanceof Float32Array && data.length === dimension) return data
    const message = `output ${name} is not float32 [1, ${dimension}]`
    throw new EspalierError('invalid_model_file', message)
  }
  return {
    async run(pixels) {
      const feeds = { [input.name]: { data: pixels, dims } }
      const outputs = await session.run(feeds, [embedding, pooled])
      return { embedding: read(outputs, embedding), pooled: read(outputs, pooled) }
    },
    release: () => session.release(),
  }
}
