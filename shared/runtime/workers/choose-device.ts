import { EspalierError } from '../../lib/errors.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { Device } from '../session.ts'
import type { DeviceReport } from './device-probe.ts'

/** What was asked for; undefined where nothing was. */
export interface DeviceWish {
  readonly device: Device | 'auto'
  readonly precision: Precision | undefined
  readonly workers: number | undefined
  /** Cores that this process may keep busy. */
  readonly cores: number
}

/** What encoders of this process are opened on. */
export interface DeviceChoice {
  readonly device: Device
  readonly precision: Precision
  /** Nobody asked for this precision: an encoder that does not have it may run in another. */
  readonly orBest: boolean
  readonly workers: number
  /** Why it is not what was asked for, as the log says it; null where it is. */
  readonly note: string | null
}

/** What a device that does not work lacks, most often. */
const NEEDS: Readonly<Record<Device, string>> = {
  cpu: '',
  cuda: 'it needs the CUDA provider of ONNX Runtime, CUDA 13 and a driver (docs/containers.md)',
  webgpu: 'it needs a Vulkan driver and libvulkan.so.1',
}

/**
 * Chooses where encoders run and in which precision: int8 with a worker for each core on CPUs, float16 with one
 * worker on a GPU. `auto` takes CUDA where it works and the CPU elsewhere.
 * @param probe tries a device
 * @throws EspalierError `invalid_config` where what was asked for cannot be had
 */
export async function chooseDevice(
  wish: DeviceWish,
  probe: (device: Device) => Promise<DeviceReport>,
): Promise<DeviceChoice> {
  const { device } = wish
  if (device === 'cpu') return onCpu(wish, null)
  if (wish.precision === 'int8') {
    if (device === 'auto') return onCpu(wish, 'int8 runs on CPUs: no GPU was looked for')
    throw new EspalierError(
      'invalid_config',
      `int8 runs on CPUs, not on ${device}: set ESPALIER_PRECISION=float16 or leave it out; its vectors are not those of int8`,
      { param: 'ESPALIER_PRECISION' },
    )
  }
  const wanted = device === 'auto' ? 'cuda' : device
  const { fault, float16 } = await probe(wanted)
  if (fault === null) return onGpu(wish, wanted, float16)
  const reason = `${firstSentence(fault)}; ${NEEDS[wanted]}`
  if (device === 'auto') return onCpu(wish, `no GPU in use, running on the CPU: ${reason}`)
  throw new EspalierError(
    'invalid_config',
    `ESPALIER_DEVICE=${device} does not work here: ${reason}. Use cpu, or auto, which falls back to it`,
    { param: 'ESPALIER_DEVICE' },
  )
}

function onCpu({ precision, workers, cores }: DeviceWish, note: string | null): DeviceChoice {
  const choice = { precision: precision ?? 'int8', orBest: precision === undefined } as const
  return { device: 'cpu', ...choice, workers: workers ?? cores, note }
}

function onGpu(wish: DeviceWish, device: Device, float16: boolean): DeviceChoice {
  const workers = wish.workers ?? 1
  const orBest = wish.precision === undefined
  if (float16) {
    return { device, precision: wish.precision ?? 'float16', orBest, workers, note: null }
  }
  if (wish.precision === 'float16') {
    throw new EspalierError(
      'invalid_config',
      `${device} does not compute in float16 here: set ESPALIER_PRECISION=float32 or leave it out`,
      { param: 'ESPALIER_PRECISION' },
    )
  }
  const note = orBest ? `${device} does not compute in float16 here: float32 runs` : null
  return { device, precision: 'float32', orBest, workers, note }
}

/** ONNX Runtime's errors open with a path of its sources and run over several lines. */
function firstSentence(fault: string): string {
  return fault
    .replace(/^.*?refuses it: */s, '')
    .replace(/^.*?(?:was false|Failed)\. (?=\w)/s, '')
    .replace(/\s+/g, ' ')
    .slice(0, 400)
}
