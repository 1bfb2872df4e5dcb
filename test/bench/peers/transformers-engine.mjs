// The measured process of @huggingface/transformers; speaks test/bench/contestants/engine-protocol.ts.
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

async function encodeAll(texts) {
  const start = performance.now()
  const parts = []
  for (let from = 0; from < texts.length; from += size) {
    parts.push(await encode(texts.slice(from, from + size)))
  }
  const ms = performance.now() - start
  const sample = []
  for (const part of parts) {
    if (sample.length < SAMPLE_ROWS) sample.push(...part.tolist())
  }
  return { kind: 'encode', ms, tokens: null, sample: sample.slice(0, SAMPLE_ROWS) }
}

async function encodeEach(texts) {
  const latenciesMs = []
  for (const text of texts) {
    const start = performance.now()
    await encode([text])
    latenciesMs.push(performance.now() - start)
  }
  return { kind: 'each', latenciesMs }
}

process.on('message', async ({ kind, texts }) => {
  if (kind === 'stop') return process.disconnect()
  try {
    process.send(await (kind === 'each' ? encodeEach(texts) : encodeAll(texts)))
  } catch (error) {
    process.send({ kind: 'failed', message: String(error) })
  }
})
process.send({ kind: 'ready', detail: `batches of ${size}, ${threads} threads` })
