import { MessageChannel } from 'node:worker_threads'
import type { NamedTensor } from '../../runtime/session.ts'

/** Frees results at once: gradients are as large as the weights, and the collector lets several sets pile up. */
export type ReleaseBuffers = (tensors: Readonly<Record<string, NamedTensor>>) => void

/** Frees by handing the buffers to a port that nobody listens to; the arrays are empty afterwards. */
export function createReleaseBuffers(): ReleaseBuffers {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.unref()
  return (tensors) => {
    const buffers = Object.values(tensors).map(({ data }) => data.buffer as ArrayBuffer)
    port1.postMessage(null, buffers)
  }
}
