import type { Worker } from 'node:worker_threads'
import { EspalierError } from '../../lib/errors.ts'
import type { Device } from '../session.ts'
import { startThread } from './start-thread.ts'

/** What a device can do here. */
export interface DeviceReport {
  /** Why it does not work; null where it does. */
  readonly fault: string | null
  /** Whether it computes in half precision. */
  readonly float16: boolean
}

/** What a worker thread is started with that is to try a device and end. */
export interface ProbeInit {
  readonly probe: Device
}

/** Tries a device in a thread of its own, as everything that runs ONNX Runtime in a server. */
export async function probeDevice(workerUrl: URL, device: Device): Promise<DeviceReport> {
  const worker: Worker = startThread(workerUrl, { probe: device } satisfies ProbeInit)
  return new Promise((resolve, reject) => {
    let report: DeviceReport | null = null
    worker.once('message', (message: DeviceReport) => {
      report = message
    })
    worker.once('error', reject)
    // Not before the end of the thread, so that the next one finds the device free.
    worker.once('exit', (code) => {
      if (report) resolve(report)
      else reject(new EspalierError('internal', `trying ${device} ended with exit code ${code}`))
    })
  })
}
