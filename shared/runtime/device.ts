import type { GraphSpec } from '../lib/encoder-manifest.ts'
import { EspalierError } from '../lib/errors.ts'
import type { WorkerInit } from './protocol.ts'
import type { Device } from './session.ts'

/** A graph and where it really runs. */
export interface OpenedGraph<Graph> {
  readonly graph: Graph
  readonly device: Device
  /** Why another device than the wanted one runs; null if it does. */
  readonly fallback: string | null
}

/**
 * Opens the graph of a precision on the wanted device; `auto` tries CUDA and falls back to the CPU.
 * @throws EspalierError `invalid_config`, `invalid_model_file`
 */
export async function openOnDevice<Graph>(
  { manifest, precision, device }: WorkerInit,
  open: (spec: GraphSpec, device: Device) => Promise<Graph>,
): Promise<OpenedGraph<Graph>> {
  const spec = manifest.graphs[precision]
  if (!spec) {
    const offered = Object.keys(manifest.graphs).join(', ')
    const message = `${manifest.name} has no ${precision} graph; it offers ${offered}`
    throw new EspalierError('invalid_config', message)
  }
  const wanted = device === 'auto' ? 'cuda' : device
  if (wanted !== 'cpu') {
    try {
      const graph = await open(spec, wanted)
      return { graph, device: wanted, fallback: null }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      if (device !== 'auto') {
        const message = `device ${device} does not work here: ${reason}; use cpu or auto`
        throw new EspalierError('invalid_config', message, { cause })
      }
      const graph = await open(spec, 'cpu')
      return { graph, device: 'cpu', fallback: reason }
    }
  }
  const graph = await open(spec, 'cpu')
  return { graph, device: 'cpu', fallback: null }
}
