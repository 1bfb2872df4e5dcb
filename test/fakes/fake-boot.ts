import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Boot, OpenOptions } from '../../functions/boot/types.ts'
import { openSecret } from '../../shared/aws/open-secret.ts'
import { openBulkPlace } from '../../shared/bulk/open-place.ts'
import { inspectFolder } from '../../shared/exporter/inspect-folder.ts'
import { parseConfig } from '../../shared/lib/config/config.ts'
import { EspalierError } from '../../shared/lib/errors.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import type { EncoderManifest } from '../../shared/lib/manifests/encoder-manifest.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { openThumbnailer } from '../../shared/runtime/image/image-decoder.ts'
import type { ModelSummary } from '../../shared/versions/list-models.ts'
import { openPlainRegistry } from '../../shared/versions/open-model-registry.ts'
import { createFakeEncoder, type FakeEncoderOptions } from './fake-encoder.ts'
import { plainKernels } from './plain-kernels.ts'

type ExportRequest = Parameters<Boot['exportEncoder']>[0]

/** What a test may choose about the fake parts. */
export interface FakeBootOptions {
  readonly env?: Record<string, string>
  readonly encoder?: FakeEncoderOptions
  readonly models?: readonly ModelSummary[]
  /** @default an empty one in memory */
  readonly registry?: Registry
  /** @default a folder that nothing is written to */
  readonly cacheFolder?: string
}

/** Parts around a fake encoder, and what was asked of them. */
export interface FakeBoot extends Boot {
  readonly opened: OpenOptions[]
  readonly exported: ExportRequest[]
  /** Encoders opened and not closed. */
  readonly openEncoders: () => number
}

/** A boot whose encoder hashes texts, whose export writes nothing, and whose server answers nothing. */
export function createFakeBoot({
  env = {},
  encoder,
  models = [],
  registry = openRegistry(openMemoryStore()),
  cacheFolder = join(tmpdir(), 'espalier-no-cache'),
}: FakeBootOptions = {}): FakeBoot {
  const opened: OpenOptions[] = []
  const exported: ExportRequest[] = []
  let open = 0
  return {
    config: parseConfig(env),
    log: silentLogger,
    opened,
    exported,
    openEncoders: () => open,
    cacheFolder,
    snapshotRuntime: null,
    openApp: () => Promise.reject(new Error('no app of a fake boot')),
    openService: () => Promise.reject(new Error('no service of a fake boot')),
    openRegistry: async () => registry,
    openRegistryAt: async (url) => openPlainRegistry({ url, log: silentLogger }),
    builtinEncoders: async () => ['built-in'],
    openThumbnailer: () => openThumbnailer(1_000_000),
    openKernels: async () => ({ ...plainKernels(), close: async () => {} }),
    async openEncoder(options = {}) {
      opened.push(options)
      if (options.model === 'missing') {
        throw new EspalierError('model_not_found', 'there is no model "missing"')
      }
      open++
      const real = createFakeEncoder(encoder)
      return {
        ...real,
        async close() {
          await real.close()
          open--
        },
      }
    },
    fineTuning: {
      builtinFolder: fileURLToPath(new URL('../../infra/models', import.meta.url)),
      workerUrl: new URL('file:///no-worker.cjs'),
      calibrationTexts: fileURLToPath(
        new URL('../../infra/calibration/texts.txt', import.meta.url),
      ),
      maxImagePixels: 1_000_000,
      imageCheck: 'strict',
      threads: 1,
    },
    async exportEncoder(options) {
      exported.push(options)
      options.onProgress?.('calibrating', 1, 2)
      options.signal?.throwIfAborted()
      return createManifest(options)
    },
    findOwnClassifier: async () => null,
    modalityOf: async () => 'text',
    async exportImageEncoder() {
      throw new EspalierError('unsupported_model', 'no images here')
    },
    async listLayers() {
      throw new EspalierError('unsupported_model', 'no images here')
    },
    inspectFolder,
    async openNetwork(encoder) {
      throw new EspalierError('unsupported_model', `${encoder} has no layers`)
    },
    async listModels() {
      return models
    },
    openBulkPlace,
    awsRegion: undefined,
    openSecret,
    async serve({ port = 8080, signal } = {}) {
      const closed = new Promise<number>((resolve) => {
        if (signal?.aborted) resolve(0)
        signal?.addEventListener('abort', () => resolve(0))
      })
      return { url: `http://0.0.0.0:${port}`, closed }
    },
  }
}

function createManifest({ name = 'tiny', precisions }: ExportRequest): EncoderManifest {
  const graph = {
    fingerprint: 'f'.repeat(64),
    file: 'model.onnx',
    data: null,
    inputs: [{ name: 'ids', role: 'ids' as const, type: 'int64' as const }],
    embedding: 'embedding',
    pooled: null,
    hidden: null,
    pooling: null,
  }
  return {
    schema: 1,
    kind: 'embedding',
    modality: 'text',
    name,
    architecture: 'bert',
    dimension: 8,
    maxTokens: 16,
    pooling: 'mean',
    normalize: true,
    prompts: {},
    defaultPrompt: null,
    padId: 0,
    family: 'a'.repeat(64),
    tokenizer: 'tokenizer.json',
    graphs: Object.fromEntries(precisions.map((precision) => [precision, graph])),
    quantization: null,
    golden: [],
    minCosine: {},
    files: {},
    createdWith: 'fake',
  }
}
