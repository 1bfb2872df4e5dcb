// The measured process of @huggingface/transformers; speaks test/bench/protocol.ts.
// usage: transformers-engine.mjs MODEL_FOLDER fp32|q8 BATCH_SIZE
import { availableParallelism } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { env, pipeline } from '@huggingface/transformers'

const [folder, dtype, batchSize] = process.argv.slice(2)
const size = Number(batchSize)
const SAMPLE_ROWS = 8
env.allowRemoteModels = false
env.localModelPath = dirname(resolve(folder))

const threads = availableParallelism()
const extract = await pipeline('feature-extraction', basename(resolve(folder)), {
  dtype,
  session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
})
const encode = (texts) => extract(texts, { pooling: 'mean', normalize: true })
await encode(['ready'])

process.on('message', async (request) => {
  if (request.kind === 'stop') return process.disconnect()
  try {
    const start = performance.now()
    const parts = []
    for (let from = 0; from < request.texts.length; from += size) {
      parts.push(await encode(request.texts.slice(from, from + size)))
    }
    const ms = performance.now() - start
    const sample = parts.flatMap((part) => part.tolist()).slice(0, SAMPLE_ROWS)
    process.send({ kind: 'encoded', ms, tokens: null, sample })
  } catch (error) {
    process.send({ kind: 'failed', message: String(error) })
  }
})
process.send({ kind: 'ready', detail: `batches of ${size}, ${threads} threads` })
