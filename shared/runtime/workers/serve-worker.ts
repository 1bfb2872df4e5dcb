import type { MessagePort } from 'node:worker_threads'
import type { Engine } from '../engine.ts'
import { createEngine } from '../open-engine.ts'
import {
  type FromWorker,
  type JobResult,
  type ToWorker,
  toWireError,
  type WorkerInit,
} from '../protocol.ts'

/**
 * The life of a worker: load, report, answer messages one after another, and on `stop` release what is
 * inside ONNX Runtime before the port closes and the thread ends by itself.
 */
export async function serveWorker(port: MessagePort, init: WorkerInit): Promise<void> {
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer)
  let engine: Engine
  try {
    engine = await createEngine(init)
  } catch (error) {
    send({ type: 'failed', error: toWireError(error) })
    return port.close()
  }
  let last = Promise.resolve()
  port.on('message', (message: ToWorker) => {
    last = last.then(() => handle(message))
  })
  send({ type: 'ready' })

  async function handle(message: ToWorker): Promise<void> {
    if (message.type === 'stop') {
      await engine.release()
      return port.close()
    }
    const { id } = message
    try {
      if (message.type === 'run') {
        const result = await engine.run(message.job)
        return send({ type: 'result', id, result }, buffersOf(result))
      }
      await change(message)
      send({ type: 'done', id })
    } catch (error) {
      send({ type: 'error', id, error: toWireError(error) })
    }
  }

  function change(message: Exclude<ToWorker, { type: 'run' | 'stop' }>): Promise<void> {
    if (message.type === 'project') return engine.heads.addProjection(message.projection)
    if (message.type === 'unproject') return engine.heads.dropProjection(message.projection)
    if (message.type === 'addMemory') return engine.heads.addMemory(message.memory)
    return engine.heads.dropMemory(message.memory)
  }
}

function buffersOf(result: JobResult): ArrayBuffer[] {
  const scores = result.scores.map(({ values }) => values)
  const found = result.neighbours.flatMap(({ similarities, indices }) => [similarities, indices])
  return [result.vectors, result.tokens, result.truncated, result.norms, ...scores, ...found].map(
    (array) => array.buffer as ArrayBuffer,
  )
}
