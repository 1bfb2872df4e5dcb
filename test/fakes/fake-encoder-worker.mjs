// A worker that speaks the pool's protocol without ONNX Runtime. Texts steer it: `crash` ends the thread,
// `crash once <file>` only while the file is absent, `fail` answers with an error, `fail <json>` with that one, others come
// back as their length. The artifact folder names what to do at load: `fail-load`, `crash-load`, or
// `die-again <file>`.
import { existsSync, writeFileSync } from 'node:fs'
import { parentPort, threadId, workerData } from 'node:worker_threads'

const [atLoad, mark] = workerData.artifactDir.split(' ')
if (atLoad === 'crash-load') throw new Error('broken at load')
if (atLoad === 'die-again') {
  if (existsSync(mark)) throw new Error('broken at restart')
  writeFileSync(mark, '')
}
if (atLoad === 'fail-load') {
  const error = { code: 'invalid_model_file', wording: ['model.onnx: refused'] }
  parentPort.postMessage({ type: 'failed', error })
  parentPort.close()
} else {
  const projections = new Set()
  parentPort.on('message', (message) => {
    if (message.type === 'stop') return parentPort.close()
    if (message.type === 'project') projections.add(message.projection.id)
    if (message.type === 'unproject') projections.delete(message.projection)
    if (message.type !== 'run') return parentPort.postMessage({ type: 'done', id: message.id })
    const { id, job } = message
    for (const text of job.inputs) {
      const [verb, , file] = text.split(' ')
      if (verb === 'fail') {
        const told = { code: 'invalid_request', wording: ['told to fail'] }
        const error = text === 'fail' ? told : JSON.parse(text.slice('fail '.length))
        return parentPort.postMessage({ type: 'error', id, error })
      }
      if (verb !== 'crash' || (file && existsSync(file))) continue
      if (file) writeFileSync(file, '')
      throw new Error('told to crash')
    }
    const result = {
      vectors: Float32Array.from(job.inputs, (text) => text.length),
      tokens: Uint32Array.from(job.inputs, () => threadId),
      truncated: new Uint8Array(job.inputs.length),
      norms: new Float32Array(job.inputs.length).fill(1),
      scores: [...projections].map((projection) => ({ projection, columns: 0, values: [] })),
      failures: [],
      tokenizeMs: 0,
      runMs: 0,
    }
    parentPort.postMessage({ type: 'result', id, result })
  })
  parentPort.postMessage({ type: 'ready', device: 'cpu', fallback: null })
}
