/** Builds the real parts from the environment; everything above gets them as arguments. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { DataFormat } from '../shared/dataset/types.ts'
import type { Encoder } from '../shared/encoder/types.ts'
import type { ExportEncoderOptions } from '../shared/exporter/export-encoder.ts'
import type { ExportImageEncoderOptions } from '../shared/exporter/export-image-encoder.ts'
import type { ListedLayers } from '../shared/exporter/list-layers.ts'
import type { KeyRing } from '../shared/lib/api-keys.ts'
import { type Config, findUnknownVariables, parseConfig } from '../shared/lib/config.ts'
import type { Modality } from '../shared/lib/encoder-input.ts'
import type { EncoderManifest, Precision } from '../shared/lib/encoder-manifest.ts'
import type { Logger, Progress } from '../shared/lib/logger.ts'
import { Renewals } from '../shared/lib/renewals.ts'
import { usableCores } from '../shared/lib/usable-cores.ts'
import { mayHaveModel } from '../shared/registry/folder-url.ts'
import type { Registry as ModelRegistry } from '../shared/registry/types.ts'
import type { EarlyWorker } from '../shared/runtime/early-worker.ts'
import type { Thumbnailer } from '../shared/runtime/image-thumbnail.ts'
import type { OwnedMatrixKernels } from '../shared/runtime/kernels.ts'
import type { BulkPlace } from '../shared/service/bulk-place.ts'
import type { ArtifactOptions } from '../shared/service/encoder-artifacts.ts'
import type { EncoderSources } from '../shared/service/encoder-sources.ts'
import type { LayeredNetwork } from '../shared/service/layer-encoders.ts'
import type { ModelSummary } from '../shared/service/model-summary.ts'
import type { RegistryMemory } from '../shared/service/registry-memory.ts'
import { createDeviceChooser } from './boot/device-chooser.ts'
import { checkExposure, loadKeys } from './boot/guard-server.ts'
import { createLazyLogger } from './boot/lazy-log.ts'
import type { RunningApp, RunningServer, ServeParts } from './boot/start-server.ts'

/** How an encoder is opened; what is left out comes from the configuration. */
export interface OpenOptions {
  readonly model?: string | undefined
  readonly precision?: Precision | undefined
  readonly workers?: number | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** How a server is started. */
export interface ServeOptions extends OpenOptions {
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** Start without the registry, from what the cache has; the configuration can say so as well. */
  readonly offlineOk?: boolean | undefined
}

/** What a process can be made of. */
export interface Boot {
  readonly config: Config
  readonly log: Logger
  /** Folder for what can be made again: exported graphs, verified files, training embeddings. */
  readonly cacheFolder: string
  /** The registry over the built-in heads, opened on first use and shared from then on. */
  openRegistry(): Promise<ModelRegistry>
  /** Another registry, without the built-in heads; close it when done. */
  openRegistryAt(url: string): Promise<ModelRegistry>
  /** Names of the encoders that ship with the product. */
  builtinEncoders(): Promise<readonly string[]>
  /** Matrix kernels in this thread, for jobs and command lines; close them when done. */
  openKernels(): Promise<OwnedMatrixKernels>
  /** Makes small pictures of image files, for reports. */
  openThumbnailer(): Promise<Thumbnailer>
  /** Opens the encoder that a name means, exporting it into the cache on first use. */
  openEncoder(options?: OpenOptions): Promise<Encoder>
  /** Exports a Hugging Face folder into an artifact folder. */
  exportEncoder(
    options: Omit<ExportEncoderOptions, 'defaultCalibration' | 'threads'>,
  ): Promise<EncoderManifest>
  /** What a folder is of: images where it says how pictures are prepared. */
  modalityOf(folder: string): Promise<Modality>
  /** Exports an ONNX image network into an artifact folder. */
  exportImageEncoder(options: ExportImageEncoderOptions): Promise<EncoderManifest>
  /** The layers that an image network can be cut at, and the one that an export takes. */
  listLayers(folder: string): Promise<ListedLayers>
  /** What fine-tuning needs besides: weights, the worker that trains, texts for int8, and how many threads. */
  readonly fineTuning: {
    readonly builtinFolder: string
    readonly workerUrl: URL
    readonly calibrationTexts: string
    readonly threads: number
  }
  /** The network of an image encoder, with its layers; a built-in one, or a folder. */
  openNetwork(encoder: string): Promise<LayeredNetwork>
  listModels(): Promise<readonly ModelSummary[]>
  /** The application without a server, for hosts that bring requests as events. */
  openApp(): Promise<RunningApp>
  /** Where Lambda says that this process goes on from a snapshot; null where none is taken. */
  readonly snapshotRuntime: string | null
  /** A folder or a place on S3 that shards are read from or results written to; close it when done. */
  openBulkPlace(url: string, format?: DataFormat): Promise<BulkPlace>
  /** Listens until the signal aborts. */
  serve(options?: ServeOptions): Promise<RunningServer>
}

/** Reads the environment once. @throws EspalierError `invalid_config` naming the variable */
export function createBoot(options: {
  readonly env?: NodeJS.ProcessEnv
  /** Settings of the host, where the environment has no others. */
  readonly defaults?: Readonly<Record<string, string>>
  /** The folder that holds `dist/` and `infra/`. */
  readonly root: URL
  readonly version: string
  /** A worker under way already, for the first encoder that is opened. */
  readonly early?: EarlyWorker | undefined
}): Boot {
  const env = { ...options.defaults, ...(options.env ?? process.env) }
  const { root } = options
  const config = parseConfig(env)
  const log = createLazyLogger(config)
  for (const warning of findUnknownVariables(env)) log.warn({}, warning)
  const cores = usableCores()
  const workers = config.workers ?? cores
  const workerUrl = new URL('dist/encoder-worker.cjs', root)
  const artifacts: ArtifactOptions = {
    builtinFolder: fileURLToPath(new URL('infra/models', root)),
    calibrationTexts: fileURLToPath(new URL('infra/calibration/texts.txt', root)),
    cacheFolder: config.cache ?? defaultCache(env),
    preparedFolder: config.prepared,
    threads: workers,
  }
  const choose = createDeviceChooser({ config, cores, workerUrl, log })
  const renewals = new Renewals()
  let registry: Promise<ModelRegistry> | undefined
  let offlineOk = config.offlineOk === '1'

  // Files of a registry in a folder are at hand already.
  const isCached = () => offlineOk || config.registry.startsWith('s3:')
  const builtinFolder = fileURLToPath(new URL('infra/heads', root))
  const layers = [config.registry, pathToFileURL(builtinFolder).href]
  const registryCache = join(artifacts.cacheFolder, 'registry')

  async function openModels(): Promise<ModelRegistry> {
    const { openModelRegistry } = await import('../shared/service/open-model-registry.ts')
    quietSdk()
    const { registry: url } = config
    if (!isCached()) return openModelRegistry({ url, builtinFolder, renewals, log })
    const { KnownModels } = await import('../shared/registry/known-models.ts')
    const known = new KnownModels(url, registryCache)
    const cache = { folder: registryCache, known, offlineOk }
    return openModelRegistry({ url, builtinFolder, cache, renewals, log })
  }

  function openRegistry(): Promise<ModelRegistry> {
    registry ??= openModels()
    return registry
  }

  async function openMemory(): Promise<RegistryMemory | null> {
    if (!isCached()) return null
    const { openRegistryMemory } = await import('../shared/service/registry-memory.ts')
    return openRegistryMemory(config.registry, registryCache, builtinFolder)
  }

  /** What every encoder of this process is opened with. */
  async function openSources(open: OpenOptions, onVerified?: () => void): Promise<EncoderSources> {
    const [{ createEncoderSources }, choice] = await Promise.all([
      import('../shared/service/encoder-sources.ts'),
      choose(open),
    ])
    return createEncoderSources({
      ...artifacts,
      ...choice,
      openRegistry,
      workerUrl,
      early: options.early,
      limits: {
        maxQueueTokens: config.maxQueueTokens,
        maxQueueWaitMs: config.queueTimeoutMs,
        maxTextBytes: config.maxTextBytes,
        maxImageBytes: config.maxImageBytes,
        maxImagePixels: config.maxImagePixels,
        maxQueueBytes: config.maxHeldBytes,
      },
      resultCacheBytes: config.resultCacheBytes,
      log,
      onProgress: open.onProgress,
      onVerified,
    })
  }

  async function openEncoder(open: OpenOptions = {}): Promise<Encoder> {
    const [{ openNamedEncoder }, registry, sources] = await Promise.all([
      import('../shared/service/open-named-encoder.ts'),
      openRegistry(),
      openSources(open),
    ])
    return openNamedEncoder({ registry, sources }, open.model ?? config.encoder, open.signal)
  }

  /** Opens the encoder and the registry for a server; what has been opened is closed where `start` fails. */
  async function open<T>(
    serve: ServeOptions,
    keys: KeyRing | undefined,
    start: (parts: ServeParts) => Promise<T>,
  ): Promise<T> {
    const { host = config.host, port = config.port, model: encoder = config.encoder } = serve
    const { version } = options
    offlineOk ||= serve.offlineOk === true
    const settings = { ...config, host, port, offlineOk: offlineOk ? '1' : '0' } as const
    let markVerified = () => {}
    const verified = new Promise<void>((resolve) => {
      markVerified = resolve
    })
    // Loaded while the workers load the encoder; a failure shows where it is wanted.
    const loadServer = () => {
      import('./boot/start-server.ts').catch(() => {})
      markVerified()
    }
    const close = async () => (await registry)?.close()
    try {
      const [{ openDefaultEncoder }, sources, memory] = await Promise.all([
        import('../shared/service/open-default-encoder.ts'),
        openSources(serve, loadServer),
        openMemory(),
      ])
      const isElsewhere = layers.some((url) => mayHaveModel(url, encoder))
      const parts = { sources, memory, config: settings, log, version }
      const opened = await openDefaultEncoder({
        ...parts,
        encoder,
        openRegistry,
        ahead: isElsewhere ? null : { verified },
        signal: serve.signal,
      })
      const models = { ...parts, keys, renewals, opened, registry: await openRegistry() }
      return await start({ ...models, close })
    } catch (error) {
      await close().catch(() => {})
      throw error
    }
  }

  return {
    config,
    log,
    cacheFolder: artifacts.cacheFolder,
    openRegistry,
    async openRegistryAt(url) {
      const { openPlainRegistry } = await import('../shared/service/open-model-registry.ts')
      return openPlainRegistry({ url, log })
    },
    async builtinEncoders() {
      const { listBuiltins } = await import('../shared/service/encoder-artifacts.ts')
      return (await listBuiltins(artifacts)).map(({ name }) => name)
    },
    async openKernels() {
      const { openMatrixKernels } = await import('../shared/runtime/kernels.ts')
      return openMatrixKernels({ threads: workers })
    },
    async openThumbnailer() {
      const { openThumbnailer } = await import('../shared/runtime/image-thumbnail.ts')
      return openThumbnailer(config.maxImagePixels)
    },
    openEncoder,
    fineTuning: {
      builtinFolder: artifacts.builtinFolder,
      workerUrl: new URL('dist/finetune-worker.cjs', root),
      calibrationTexts: artifacts.calibrationTexts,
      threads: workers,
    },
    async exportEncoder(request) {
      const { exportEncoder } = await import('../shared/exporter/export-encoder.ts')
      const { calibrationTexts: defaultCalibration, threads } = artifacts
      return exportEncoder({ ...request, defaultCalibration, threads })
    },
    async modalityOf(folder) {
      const { isImageFolder } = await import('../shared/exporter/is-image-folder.ts')
      return isImageFolder(folder) ? 'image' : 'text'
    },
    async exportImageEncoder(request) {
      const { exportImageEncoder } = await import('../shared/exporter/export-image-encoder.ts')
      return exportImageEncoder(request)
    },
    async listLayers(folder) {
      const { listLayers } = await import('../shared/exporter/list-layers.ts')
      return listLayers(folder)
    },
    async openNetwork(encoder) {
      const { openLayeredNetwork } = await import('../shared/service/layer-encoders.ts')
      return openLayeredNetwork(artifacts, encoder)
    },
    async listModels() {
      const { listModels } = await import('../shared/service/list-models.ts')
      return listModels(artifacts, await openRegistry())
    },
    async openBulkPlace(url, format) {
      const { openBulkPlace } = await import('../shared/service/open-bulk-place.ts')
      quietSdk()
      return openBulkPlace(url, format)
    },
    snapshotRuntime:
      env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start'
        ? (env.AWS_LAMBDA_RUNTIME_API ?? null)
        : null,
    async openApp() {
      return open({}, await loadKeys(config), async (parts) => {
        const { openEncoderApp } = await import('./boot/start-server.ts')
        return openEncoderApp(parts)
      })
    },
    async serve(serve = {}) {
      const keys = await loadKeys(config)
      const isSealed = env.AWS_LAMBDA_FUNCTION_NAME !== undefined
      checkExposure({ host: serve.host ?? config.host, open: config.open }, keys, isSealed, log)
      return open(serve, keys, async (parts) => {
        const { startEncoderServer } = await import('./boot/start-server.ts')
        return startEncoderServer(parts, serve.signal)
      })
    },
  }
}

/** The AWS SDK is pinned, so that what it says of its versions to come is no news to a user. */
function quietSdk(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
}

function defaultCache(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier')
}
