import { type AdmissionLimits, UNBOUNDED_QUEUE } from '../../shared/encoder/admission.ts'
import { PixelBudget } from '../../shared/encoder/pixel-budget.ts'
import type { ArtifactOptions } from '../../shared/encoders/encoder-artifacts.ts'
import type { EncoderSources } from '../../shared/encoders/encoder-sources.ts'
import type { Config } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import { chooseDevice, type DeviceChoice } from '../../shared/runtime/workers/choose-device.ts'
import type { DeviceReport } from '../../shared/runtime/workers/device-probe.ts'
import type { PrespawnedWorker } from '../../shared/runtime/workers/prespawned-worker.ts'
import type { RegistryParts } from './registry.ts'
import type { Boot, OpenOptions } from './types.ts'

/** Pixels decoded at once: a large image, and of photographs one for each worker. */
const MIN_DECODE_PIXELS = 64_000_000
const WORKER_DECODE_PIXELS = 16_000_000

/** Where a process gets its encoders. */
export interface EncoderParts
  extends Pick<Boot, 'openEncoder' | 'builtinEncoders' | 'openNetwork' | 'listModels'> {
  /**
   * What every encoder of this process is opened with.
   * @param onVerified called when the files of an encoder are verified, and this thread is free
   */
  openSources(
    open: OpenOptions,
    queue: AdmissionLimits,
    onVerified?: () => void,
  ): Promise<EncoderSources>
  /** Most that may wait for the encoders of a server. */
  readonly servedQueue: AdmissionLimits
}

/** Encoders of the registry and of this machine, on the device that the configuration asks for. */
export function createEncoderParts(options: {
  readonly config: Config
  readonly artifacts: ArtifactOptions
  readonly registry: RegistryParts
  readonly workerUrl: URL
  readonly cores: number
  readonly prespawned: PrespawnedWorker | undefined
  readonly log: Logger
}): EncoderParts {
  const { config, artifacts, registry, workerUrl, prespawned, log } = options
  const choose = createDeviceChooser(options)
  const workers = config.workers ?? options.cores
  const decodePixels = Math.max(MIN_DECODE_PIXELS, WORKER_DECODE_PIXELS * workers)
  const decoding = new PixelBudget(config.maxDecodePixels ?? decodePixels)

  const openSources: EncoderParts['openSources'] = async (open, queue, onVerified) => {
    const [{ createEncoderSources }, choice] = await Promise.all([
      import('../../shared/encoders/encoder-sources.ts'),
      choose(open),
    ])
    return createEncoderSources({
      ...artifacts,
      ...choice,
      openRegistry: registry.open,
      workerUrl,
      prespawned,
      limits: {
        ...queue,
        maxTextBytes: config.maxTextBytes,
        maxImageBytes: config.maxImageBytes,
        maxImagePixels: config.maxImagePixels,
        imageCheck: config.images,
        decoding,
        runTimeoutMs: config.runTimeoutMs,
        loadTimeoutMs: config.loadTimeoutMs,
      },
      resultCacheBytes: config.resultCacheBytes,
      longJobs: open.longJobs,
      log,
      onProgress: open.onProgress,
      onVerified,
    })
  }

  return {
    openSources,
    servedQueue: {
      maxQueueTokens: config.maxQueueTokens,
      maxQueueWaitMs: config.queueTimeoutMs,
      maxQueueBytes: config.maxHeldBytes,
      maxRequestPixels: config.maxRequestPixels,
    },
    async openEncoder(open = {}) {
      const [{ openNamedEncoder }, models, sources] = await Promise.all([
        import('../../shared/encoders/resolve-encoder.ts'),
        registry.open(),
        openSources({ longJobs: true, ...open }, UNBOUNDED_QUEUE),
      ])
      const parts = { registry: models, sources }
      return openNamedEncoder(parts, open.model ?? config.encoder, open.signal)
    },
    async builtinEncoders() {
      const { listBuiltins } = await import('../../shared/encoders/encoder-artifacts.ts')
      return (await listBuiltins(artifacts)).map(({ name }) => name)
    },
    async openNetwork(encoder) {
      const { openLayeredNetwork } = await import('../../shared/encoders/layer-encoders.ts')
      return openLayeredNetwork(artifacts, encoder)
    },
    async listModels() {
      const { listModels } = await import('../../shared/versions/list-models.ts')
      return listModels(artifacts, await registry.open())
    },
  }
}

/** What a command line may say of it. */
interface Wish {
  readonly precision?: Precision | undefined
  readonly workers?: number | undefined
}

/** Chooses where the encoders of a process run; each device is tried once, and what comes out is logged. */
function createDeviceChooser(options: {
  readonly config: Pick<Config, 'device' | 'precision' | 'workers'>
  readonly cores: number
  readonly workerUrl: URL
  readonly log: Logger
}): (wish: Wish) => Promise<Omit<DeviceChoice, 'note'>> {
  const { config, cores, workerUrl, log } = options
  const reports = new Map<string, Promise<DeviceReport>>()

  async function probe(device: DeviceChoice['device']): Promise<DeviceReport> {
    const { probeDevice } = await import('../../shared/runtime/workers/device-probe.ts')
    const report = reports.get(device) ?? probeDevice(workerUrl, device)
    reports.set(device, report)
    return report
  }

  return async ({ precision = config.precision, workers = config.workers }) => {
    const wish = { device: config.device, precision, workers, cores }
    const { note, ...choice } = await chooseDevice(wish, probe)
    const { device, precision: runs } = choice
    const said = { device, precision: runs, workers: choice.workers }
    if (note !== null) log.warn({ device, precision: runs }, note)
    else if (device !== 'cpu') log.info(said, 'encoders run on a GPU')
    return choice
  }
}
