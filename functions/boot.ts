/** Builds the real parts from the environment; everything above gets them as arguments. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger as PinoLogger } from 'pino'
import type { Encoder } from '../shared/encoder/types.ts'
import type { ExportEncoderOptions } from '../shared/exporter/export-encoder.ts'
import { systemClock } from '../shared/lib/clock.ts'
import { type Config, findUnknownVariables, parseConfig } from '../shared/lib/config.ts'
import type { EncoderManifest, Precision } from '../shared/lib/encoder-manifest.ts'
import { type Logger, type Progress, silentLogger } from '../shared/lib/logger.ts'
import { usableCores } from '../shared/lib/usable-cores.ts'
import type { Registry as ModelRegistry } from '../shared/registry/types.ts'
import type { OwnedMatrixKernels } from '../shared/runtime/kernels.ts'
import type { ArtifactOptions } from '../shared/service/encoder-artifacts.ts'
import type { EncoderSources } from '../shared/service/encoder-sources.ts'
import type { ModelSummary } from '../shared/service/model-summary.ts'
import type { LiveService } from '../shared/service/open-live-service.ts'
import type { RegistryMemory } from '../shared/service/registry-memory.ts'

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

/** A running server; `closed` resolves with the exit code. */
export interface RunningServer {
  readonly url: string
  readonly closed: Promise<number>
}

/** What a process can be made of. */
export interface Boot {
  readonly config: Config
  readonly log: Logger
  /** Folder for what can be made again: exported graphs, verified files, training embeddings. */
  readonly cacheFolder: string
  /** The registry over the built-in heads, opened on first use and shared from then on. */
  openRegistry(): Promise<ModelRegistry>
  /** Matrix kernels in this thread, for jobs and command lines; close them when done. */
  openKernels(): Promise<OwnedMatrixKernels>
  /** Opens the encoder that a name means, exporting it into the cache on first use. */
  openEncoder(options?: OpenOptions): Promise<Encoder>
  /** Exports a Hugging Face folder into an artifact folder. */
  exportEncoder(
    options: Omit<ExportEncoderOptions, 'defaultCalibration' | 'threads'>,
  ): Promise<EncoderManifest>
  listModels(): Promise<readonly ModelSummary[]>
  /** Listens until the signal aborts. */
  serve(options?: ServeOptions): Promise<RunningServer>
}

/** Reads the environment once. @throws EspalierError `invalid_config` naming the variable */
export function createBoot(options: {
  readonly env?: NodeJS.ProcessEnv
  /** The folder that holds `dist/` and `infra/`. */
  readonly root: URL
  readonly version: string
}): Boot {
  const env = options.env ?? process.env
  const { root } = options
  const config = parseConfig(env)
  const log = createLazyLogger(config)
  for (const warning of findUnknownVariables(env)) log.warn({}, warning)
  const workers = config.workers ?? usableCores()
  const artifacts: ArtifactOptions = {
    builtinFolder: fileURLToPath(new URL('infra/models', root)),
    calibrationTexts: fileURLToPath(new URL('infra/calibration/texts.txt', root)),
    cacheFolder: config.cache ?? defaultCache(env),
    threads: workers,
  }
  let registry: Promise<ModelRegistry> | undefined
  let offlineOk = config.offlineOk === '1'

  // Files of a registry in a folder are at hand already.
  const isCached = () => offlineOk || config.registry.startsWith('s3:')
  const builtinHeads = fileURLToPath(new URL('infra/heads', root))
  const registryCache = join(artifacts.cacheFolder, 'registry')

  async function openModels(): Promise<ModelRegistry> {
    const [{ openModelRegistry }, { KnownModels }] = await Promise.all([
      import('../shared/service/open-model-registry.ts'),
      import('../shared/registry/known-models.ts'),
    ])
    const { registry: url } = config
    const known = new KnownModels(url, registryCache)
    const cache = isCached() ? { folder: registryCache, known, offlineOk } : null
    return openModelRegistry({ url, builtinFolder: builtinHeads, cache, log })
  }

  function openRegistry(): Promise<ModelRegistry> {
    registry ??= openModels()
    return registry
  }

  /** What every encoder of this process is opened with. */
  async function openSources(open: OpenOptions) {
    const { createEncoderSources } = await import('../shared/service/encoder-sources.ts')
    return createEncoderSources({
      ...artifacts,
      registry: await openRegistry(),
      precision: open.precision ?? config.precision,
      workerUrl: new URL('dist/encoder-worker.js', root),
      workers: open.workers ?? workers,
      device: config.device,
      limits: {
        maxQueueTokens: config.maxQueueTokens,
        maxQueueWaitMs: config.queueTimeoutMs,
        maxTextBytes: config.maxTextBytes,
      },
      resultCacheBytes: config.resultCacheBytes,
      log,
      onProgress: open.onProgress,
    })
  }

  async function openEncoder(open: OpenOptions = {}): Promise<Encoder> {
    const { openNamedEncoder } = await import('../shared/service/open-named-encoder.ts')
    const [registry, sources] = await Promise.all([openRegistry(), openSources(open)])
    return openNamedEncoder({ registry, sources }, open.model ?? config.encoder, open.signal)
  }

  return {
    config,
    log,
    cacheFolder: artifacts.cacheFolder,
    openRegistry,
    async openKernels() {
      const { openMatrixKernels } = await import('../shared/runtime/kernels.ts')
      return openMatrixKernels({ threads: workers })
    },
    openEncoder,
    async exportEncoder(request) {
      const { exportEncoder } = await import('../shared/exporter/export-encoder.ts')
      const { calibrationTexts: defaultCalibration, threads } = artifacts
      return exportEncoder({ ...request, defaultCalibration, threads })
    },
    async listModels() {
      const { listModels } = await import('../shared/service/list-models.ts')
      return listModels(artifacts, await openRegistry())
    },
    async serve(serve = {}) {
      const host = serve.host ?? config.host
      const port = serve.port ?? config.port
      const encoder = serve.model ?? config.encoder
      offlineOk ||= serve.offlineOk === true
      const parts = {
        openRegistry,
        openMemory: async () => {
          if (!isCached()) return null
          const { openRegistryMemory } = await import('../shared/service/registry-memory.ts')
          return openRegistryMemory(config.registry, registryCache, builtinHeads)
        },
        openSources: () => openSources(serve),
        config: { ...config, host, port, encoder, offlineOk: offlineOk ? '1' : '0' } as const,
        log,
        version: options.version,
      }
      return startEncoderServer(parts, serve.signal)
    },
  }
}

/** What a server is started from. */
interface ServeParts {
  openRegistry(): Promise<ModelRegistry>
  openSources(): Promise<EncoderSources>
  openMemory(): Promise<RegistryMemory | null>
  readonly config: Config
  readonly log: Logger
  readonly version: string
}

/** Opens the encoder and starts the HTTP server over it; aborting the signal stops it in order. */
async function startEncoderServer(
  { openRegistry, openSources, openMemory, config, log, version }: ServeParts,
  signal: AbortSignal | undefined,
): Promise<RunningServer> {
  const [{ openLiveService }, registry, sources, memory] = await Promise.all([
    import('../shared/service/open-live-service.ts'),
    openRegistry(),
    openSources(),
    openMemory(),
  ])
  const clock = systemClock
  let live: LiveService | undefined
  const close = async () => {
    await live?.close()
    await registry.close()
  }
  try {
    const { encoder } = config
    const parts = { encoder, registry, sources, memory, config, clock, log, signal }
    live = await openLiveService(parts)
    const [{ startServer }, { createReadiness }, { Registry }] = await Promise.all([
      import('./api/server.ts'),
      import('../shared/service/readiness.ts'),
      import('prom-client'),
    ])
    const readiness = createReadiness()
    const { services, encoders, classifiers } = live
    const server = await startServer({
      services,
      encoders,
      classifiers,
      config,
      log,
      clock,
      readiness,
      version,
      metrics: new Registry(),
      close,
    })
    readiness.markReady()
    const stop = () => void server.stop(String(signal?.reason ?? 'stopped'))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    return { url: server.url, closed: server.stopped }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

function defaultCache(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier')
}

/** pino on stderr, loaded with the first line that is logged. */
function createLazyLogger({ logLevel }: Config): Logger {
  if (logLevel === 'silent') return silentLogger
  let lines: Promise<PinoLogger> | undefined
  const open = async () => {
    const { pino } = await import('pino')
    return pino({ level: logLevel, base: null }, pino.destination(2))
  }
  const write =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines ??= open()
      void lines.then((logger) => logger[level](fields, message))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
