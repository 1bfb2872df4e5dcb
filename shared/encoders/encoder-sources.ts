import { join } from 'node:path'
import { createEncoder } from '../encoder/pooled-encoder.ts'
import type { Encoder } from '../encoder/types.ts'
import { filesToLoad, precisionFor } from '../encoder/verify-artifact.ts'
import { EspalierError, isEspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import {
  ENCODER_MANIFEST_FILE,
  type EncoderManifest,
  type Precision,
} from '../lib/manifests/encoder-manifest.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import type { FetchOptions } from '../registry/file-cache.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import { listBuiltins, readManifest } from './encoder-artifacts.ts'
import type { EncoderSource, OpenedEncoder } from './encoder-pools.ts'
import { choosePrecision, type OpenEncoderDeps, openEncoder } from './open-encoder.ts'

/** A worker's thread and what ONNX Runtime takes for its runs; measured with all-MiniLM-L6-v2: 33 to 61 MB. */
const WORKER_BYTES = 40_000_000

/** Where encoders can be opened from. */
export interface EncoderSources {
  /** A version of the registry, downloaded through the verified cache. */
  ofVersion(version: RegistryVersion): EncoderSource
  /** A built-in encoder or a folder. */
  ofLocal(name: string): EncoderSource
  /** The built-in encoder of a family; null where there is none. */
  ofFamily(family: string): Promise<EncoderSource | null>
  /** The built-in encoder of a name; null where there is none. */
  ofBuiltin(name: string): Promise<EncoderSource | null>
}

/** What encoders are opened with. */
export interface EncoderSourceDeps extends OpenEncoderDeps {
  /** Called when a version of it is opened. */
  openRegistry(): Promise<RegistryReader>
  readonly precision: Precision
  /** Nobody named the precision: an encoder without it runs in the best that it has. @default false */
  readonly orBest?: boolean | undefined
  readonly onProgress?: Progress | undefined
}

/** Encoders of one precision, from the registry and from this machine. */
export function createEncoderSources(deps: EncoderSourceDeps): EncoderSources {
  const sources: EncoderSources = {
    ofVersion(version) {
      const label = formatModelVersion(version)
      return {
        key: `registry:${label}:${version.publication}`,
        label,
        bytes: memoryOf(
          deps,
          version.files.map((file) => file.bytes),
        ),
        open: (signal) => openVersion(deps, version, signal),
      }
    },
    ofLocal: (name) => ({
      key: `local:${name}`,
      label: name,
      bytes: 0,
      open: (signal) => openLocal(deps, name, signal),
    }),
    async ofFamily(family) {
      const found = (await listBuiltins(deps)).find((each) => each.family === family)
      return found ? sources.ofLocal(found.name) : null
    },
    async ofBuiltin(name) {
      const found = (await listBuiltins(deps)).some((each) => each.name === name)
      return found ? sources.ofLocal(name) : null
    },
  }
  return sources
}

/** Opens a version of the registry; a cached file that was damaged since is fetched anew, once. */
async function openVersion(
  deps: EncoderSourceDeps,
  version: RegistryVersion,
  signal: AbortSignal | undefined,
): Promise<OpenedEncoder> {
  try {
    return await loadVersion(deps, version, { trustCache: true, signal })
  } catch (error) {
    if (!isEspalierError(error, 'artifact_corrupt')) throw error
    const fields = { model: formatModelVersion(version), reason: error.message }
    deps.log.warn(fields, 'encoder refused as it lies in the cache: its files are fetched anew')
    return loadVersion(deps, version, { trustCache: false, signal })
  }
}

async function loadVersion(
  deps: EncoderSourceDeps,
  version: RegistryVersion,
  options: FetchOptions,
): Promise<OpenedEncoder> {
  const registry = await deps.openRegistry()
  const folder = join(deps.cacheFolder, 'registry')
  // Small enough to be hashed every time; it holds the hashes of all the others.
  const first = { ...options, trustCache: false, paths: [ENCODER_MANIFEST_FILE] }
  const found = await readManifest(await registry.fetchFiles(version, folder, first))
  // The registry's name is what clients use; the files may have been made under another.
  const manifest = { ...found, name: version.name }
  if (manifest.family !== version.family) {
    throw new EspalierError(
      'artifact_corrupt',
      `${formatModelVersion(version)}: its ${ENCODER_MANIFEST_FILE} is of family ${manifest.family}, its manifest of family ${version.family}`,
    )
  }
  const precision = choosePrecision(deps, manifest, deps)
  const files = filesToLoad(manifest, precision)
  const artifactDir = await registry.fetchFiles(version, folder, { ...options, paths: files })
  options.signal?.throwIfAborted()
  const encoder = await createEncoder({
    artifactDir,
    manifest,
    precision,
    version: version.version,
    workers: deps.workers,
    device: deps.device,
    workerUrl: deps.workerUrl,
    prespawned: deps.prespawned,
    limits: deps.limits,
    resultCacheBytes: deps.resultCacheBytes ?? 0,
    longJobs: deps.longJobs,
    log: deps.log,
    onVerified: deps.onVerified,
  })
  return measured(deps, encoder, manifest)
}

async function openLocal(
  deps: EncoderSourceDeps,
  name: string,
  signal: AbortSignal | undefined,
): Promise<OpenedEncoder> {
  let manifest: EncoderManifest | undefined
  const { precision, orBest, onProgress } = deps
  const onArtifact = (found: EncoderManifest) => {
    manifest = found
  }
  const encoder = await openEncoder(deps, {
    encoder: name,
    precision,
    orBest,
    onProgress,
    signal,
    onArtifact,
  })
  return measured(deps, encoder, manifest)
}

function measured(
  deps: EncoderSourceDeps,
  encoder: Encoder,
  manifest: EncoderManifest | undefined,
): OpenedEncoder {
  if (!manifest) return { encoder, bytes: 0 }
  const files = filesToLoad(manifest, precisionFor(manifest, deps))
  const sizes = files.map((file) => manifest.files[file]?.bytes ?? 0)
  return { encoder, bytes: memoryOf(deps, sizes) }
}

/** Every worker holds the files in a session of its own; what was seen before is held once. */
function memoryOf(
  { workers, resultCacheBytes = 0 }: EncoderSourceDeps,
  sizes: readonly number[],
): number {
  const files = sizes.reduce((sum, size) => sum + size, 0)
  return workers * (files + WORKER_BYTES) + resultCacheBytes
}
