import { GraphBuilder } from '../../onnx/graph.ts'
import { serializeModel } from '../../onnx/writer.ts'
import { openSession } from '../session.ts'

/** Pays what the first session of a process costs, 25 ms of schemas and kernels, before a model is there. */
export async function warmRuntime(): Promise<void> {
  const graph = new GraphBuilder('warm')
  graph.output('y', graph.input('x', 'float32', ['n']), 'float32', ['n'])
  const session = await openSession(serializeModel(graph.build()).graph, {
    optimization: 'disabled',
  })
  await session.release()
}
