import type { MessagePort } from 'node:worker_threads'
import { ELEMENT_TYPES, GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { type Device, openSession } from '../session.ts'
import type { DeviceReport, ProbeInit } from './device-probe.ts'

/** In the thread: runs a sum in single and in half precision, reports and ends. */
export async function serveProbe(port: MessagePort, { probe }: ProbeInit): Promise<void> {
  const fault = await runSum(probe, 'float32')
  const float16 = fault === null && (await runSum(probe, 'float16')) === null
  port.postMessage({ fault, float16 } satisfies DeviceReport)
  port.close()
}

/** Why 2 + 2 is not 4 on a device; null where it is. */
async function runSum(device: Device, type: 'float32' | 'float16'): Promise<string | null> {
  const graph = new GraphBuilder('probe')
  const cast = (value: string, to: 'float32' | 'float16') =>
    type === 'float32' ? value : graph.op('Cast', [value], { to: ELEMENT_TYPES[to] })
  const x = cast(graph.input('x', 'float32', ['n']), 'float16')
  graph.output('y', cast(graph.op('Add', [x, x]), 'float32'), 'float32', ['n'])
  try {
    const session = await openSession(serializeModel(graph.build()).graph, { device })
    try {
      const { y } = await session.run({ x: { data: Float32Array.of(2), dims: [1] } })
      return y?.data[0] === 4 ? null : `it computes 2 + 2 = ${y?.data[0]}`
    } finally {
      await session.release()
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Pays what the first session of a process costs, 25 ms of schemas and kernels, before a model is there. */
export async function warmRuntime(): Promise<void> {
  const graph = new GraphBuilder('warm')
  graph.output('y', graph.input('x', 'float32', ['n']), 'float32', ['n'])
  const session = await openSession(serializeModel(graph.build()).graph, {
    optimization: 'disabled',
  })
  await session.release()
}
