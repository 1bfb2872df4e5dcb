/** Builds the real parts from the environment; everything above gets them as arguments. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type AdmissionLimits, UNBOUNDED_QUEUE } from '../../shared/encoder/admission.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import type { ArtifactOptions } from '../../shared/encoders/encoder-artifacts.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import type { RegistryMemory } from '../../shared/following/registry-memory.ts'
import type { KeyRing } from '../../shared/lib/api-keys.ts'
import { usableCores } from '../../shared/lib/concurrency.ts'
import { findUnknownVariables, parseConfig } from '../../shared/lib/config/config.ts'
import { Renewals } from '../../shared/lib/renewals.ts'
import { mayHaveModel } from '../../shared/registry/stores/open-store.ts'
import type { Registry as ModelRegistry } from '../../shared/registry/types.ts'
import type { EarlyWorker } from '../../shared/runtime/workers/early-worker.ts'
import { createDeviceChooser } from './device-chooser.ts'
import { checkExposure, loadKeys } from './guard-server.ts'
import { createLazyLogger } from './lazy-log.ts'
import type { ServeParts } from './serve/start-server.ts'
import type { Boot, OpenOptions, ServeOptions } from './types.ts'

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
    const { openModelRegistry } = await import('../../shared/versions/open-model-registry.ts')
    quietSdk()
    const { registry: url } = config
    if (!isCached()) return openModelRegistry({ url, builtinFolder, renewals, log })
    const { KnownModels } = await import('../../shared/registry/known-models.ts')
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
    const { openRegistryMemory } = await import('../../shared/following/registry-memory.ts')
    return openRegistryMemory(config.registry, registryCache, builtinFolder)
  }

  /** Most that may wait for the encoders of a server. */
  const servedQueue: AdmissionLimits = {
    maxQueueTokens: config.maxQueueTokens,
    maxQueueWaitMs: config.queueTimeoutMs,
    maxQueueBytes: config.maxHeldBytes,
  }

  /** What every encoder of this process is opened with. */
  async function openSources(
    open: OpenOptions,
    queue: AdmissionLimits,
    onVerified?: () => void,
  ): Promise<EncoderSources> {
    const [{ createEncoderSources }, choice] = await Promise.all([
      import('../../shared/encoders/encoder-sources.ts'),
      choose(open),
    ])
    return createEncoderSources({
      ...artifacts,
      ...choice,
      openRegistry,
      workerUrl,
      early: options.early,
      limits: {
        ...queue,
        maxTextBytes: config.maxTextBytes,
        maxImageBytes: config.maxImageBytes,
        maxImagePixels: config.maxImagePixels,
      },
      resultCacheBytes: config.resultCacheBytes,
      longJobs: open.longJobs,
      log,
      onProgress: open.onProgress,
      onVerified,
    })
  }

  async function openEncoder(open: OpenOptions = {}): Promise<Encoder> {
    const [{ openNamedEncoder }, registry, sources] = await Promise.all([
      import('../../shared/encoders/resolve-encoder.ts'),
      openRegistry(),
      openSources({ longJobs: true, ...open }, UNBOUNDED_QUEUE),
    ])
    return openNamedEncoder({ registry, sources }, open.model ?? config.encoder, open.signal)
  }

  /** Opens the encoder and the registry for a server; what has been opened is closed where `start` fails. */
  async function open<T>(
    serve: ServeOptions,
    keys: KeyRing | undefined,
    start: (parts: ServeParts) => Promise<T>,
    preload: () => Promise<unknown> = () => import('./serve/start-server.ts'),
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
      preload().catch(() => {})
      markVerified()
    }
    const close = async () => (await registry)?.close()
    try {
      const [{ openDefaultEncoder }, sources, memory] = await Promise.all([
        import('../../shared/serving/live/open-default-encoder.ts'),
        openSources(serve, servedQueue, loadServer),
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
      const { openPlainRegistry } = await import('../../shared/versions/open-model-registry.ts')
      return openPlainRegistry({ url, log })
    },
    async builtinEncoders() {
      const { listBuiltins } = await import('../../shared/encoders/encoder-artifacts.ts')
      return (await listBuiltins(artifacts)).map(({ name }) => name)
    },
    async openKernels() {
      const { openMatrixKernels } = await import('../../shared/runtime/kernels/kernels.ts')
      return openMatrixKernels({ threads: workers })
    },
    async openThumbnailer() {
      const { openThumbnailer } = await import('../../shared/runtime/image/image-decoder.ts')
      return openThumbnailer(config.maxImagePixels)
    },
    openEncoder,
    fineTuning: {
      builtinFolder: artifacts.builtinFolder,
      workerUrl: new URL('dist/finetune-worker.cjs', root),
      calibrationTexts: artifacts.calibrationTexts,
      maxImagePixels: config.maxImagePixels,
      threads: workers,
    },
    async exportEncoder(request) {
      const { exportEncoder } = await import('../../shared/exporter/export-encoder.ts')
      const { calibrationTexts: defaultCalibration, threads } = artifacts
      return exportEncoder({ ...request, defaultCalibration, threads })
    },
    async modalityOf(folder) {
      const { isImageFolder } = await import('../../shared/exporter/source/is-image-folder.ts')
      return isImageFolder(folder) ? 'image' : 'text'
    },
    async exportImageEncoder(request) {
      const { exportImageEncoder } = await import('../../shared/exporter/export-image-encoder.ts')
      return exportImageEncoder({ ...request, threads: artifacts.threads })
    },
    async listLayers(folder) {
      const { listLayers } = await import('../../shared/exporter/image/list-layers.ts')
      return listLayers(folder)
    },
    async openNetwork(encoder) {
      const { openLayeredNetwork } = await import('../../shared/encoders/layer-encoders.ts')
      return openLayeredNetwork(artifacts, encoder)
    },
    async listModels() {
      const { listModels } = await import('../../shared/versions/list-models.ts')
      return listModels(artifacts, await openRegistry())
    },
    async openBulkPlace(url, format) {
      const { openBulkPlace } = await import('../../shared/bulk/open-place.ts')
      quietSdk()
      return openBulkPlace(url, format)
    },
    snapshotRuntime:
      env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start'
        ? (env.AWS_LAMBDA_RUNTIME_API ?? null)
        : null,
    async openService(serve = {}) {
      const load = () => import('./start-service.ts')
      return open(serve, undefined, async (parts) => (await load()).openService(parts), load)
    },
    async openApp() {
      return open({}, await loadKeys(config), async (parts) => {
        const { openEncoderApp } = await import('./serve/start-server.ts')
        return openEncoderApp(parts)
      })
    },
    async serve(serve = {}) {
      const keys = await loadKeys(config)
      const isSealed = env.AWS_LAMBDA_FUNCTION_NAME !== undefined
      checkExposure({ host: serve.host ?? config.host, open: config.open }, keys, isSealed, log)
      return open(serve, keys, async (parts) => {
        const { startEncoderServer } = await import('./serve/start-server.ts')
        return startEncoderServer(parts, serve.signal)
      })
    },
  }
}

/** What a library takes from the environment beside its own settings: where users keep caches. */
export function libraryEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME, ...settings }
}

/** The AWS SDK is pinned, so that what it says of its versions to come is no news to a user. */
function quietSdk(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
}

function defaultCache(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier')
}
