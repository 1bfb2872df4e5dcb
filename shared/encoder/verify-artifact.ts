import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { EncoderManifest, Precision } from '../lib/encoder-manifest.ts'
import { EspalierError } from '../lib/errors.ts'

/** The files that running one precision reads. */
export function filesToLoad(manifest: EncoderManifest, precision: Precision): string[] {
  const graph = manifest.graphs[precision]
  if (!graph) {
    const offered = Object.keys(manifest.graphs).join(', ')
    const message = `${manifest.name} has no ${precision} graph: set the precision to one of ${offered}`
    throw new EspalierError('invalid_config', message)
  }
  const names = [manifest.tokenizer, graph.file, graph.data, graph.pooling]
  return [...new Set(names.filter((name) => name !== null))]
}

/**
 * Checks size and sha256 of files against the manifest.
 * @throws EspalierError `artifact_corrupt` naming the file and both values
 */
export async function verifyArtifact(
  artifactDir: string,
  manifest: EncoderManifest,
  files: readonly string[],
): Promise<void> {
  for (const file of files) await verifyFile(artifactDir, manifest, file)
}

async function verifyFile(dir: string, manifest: EncoderManifest, file: string): Promise<void> {
  const wanted = manifest.files[file]
  if (!wanted) throw corrupt(file, 'the manifest does not list it')
  const path = join(dir, file)
  const found = await stat(path).catch((cause: unknown) => {
    throw corrupt(file, 'it is missing', cause)
  })
  if (found.size !== wanted.bytes) {
    throw corrupt(file, `it has ${found.size} bytes, the manifest says ${wanted.bytes}`)
  }
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  const sha256 = hash.digest('hex')
  if (sha256 !== wanted.sha256) {
    throw corrupt(file, `its sha256 is ${sha256}, the manifest says ${wanted.sha256}`)
  }
}

function corrupt(file: string, what: string, cause?: unknown): EspalierError {
  const message = `${file} of the encoder artifact is damaged: ${what}; export or download it again`
  return new EspalierError('artifact_corrupt', message, { cause })
}
