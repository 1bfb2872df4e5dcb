// Calls a server: espalier serve, then node client.mjs http://127.0.0.1:8080
import { createClient, EspalierClientError } from 'espalier/client'

const client = createClient({ baseUrl: process.argv[2] ?? 'http://127.0.0.1:8080' })

// More texts than one request may have: they go in batches, a few at once, and come back in order.
const texts = Array.from({ length: 3000 }, (_, index) => `text number ${index % 100}`)
const signal = AbortSignal.timeout(120_000)
const { model, dimensions, embeddings } = await client.embed(texts, { signal })
console.log(`${model}: ${embeddings.length} vectors of ${dimensions} dimensions`)

const intent = await client.classify('play some jazz', { model: 'intent', topK: 1 })
console.log(`${intent.model}: ${intent.predictions[0].label}`)

const models = await client.models()
console.log(`models: ${models.map(({ id }) => id).join(', ')}`)

try {
  await client.classify('play some jazz', { model: 'nobody' })
} catch (error) {
  if (!(error instanceof EspalierClientError)) throw error
  console.log(`${error.status} ${error.code}: ${error.param}`)
}
