import type { Config } from '../../shared/lib/config/config.ts'
import type { Logger } from '../../shared/lib/logger.ts'
import type { Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import { chooseDevice, type DeviceChoice } from '../../shared/runtime/workers/choose-device.ts'
import type { DeviceReport } from '../../shared/runtime/workers/device-probe.ts'

/** What a command line may say of it. */
interface Wish {
  readonly precision?: Precision | undefined
  readonly workers?: number | undefined
}

/** Chooses where the encoders of a process run; each device is tried once, and what comes out is logged. */
export function createDeviceChooser(options: {
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
    if (note !== null) log.warn({ device: choice.device, precision: choice.precision }, note)
    else if (choice.device !== 'cpu') log.info(choice, 'encoders run on a GPU')
    return choice
  }
}
