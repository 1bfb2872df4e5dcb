// Embeds and classifies in this process: node library.mjs
import { createEspalier, isEspalierError } from 'espalier'

// Without a registry: the built-in encoder and the built-in classifiers "intent" and "imagenet".
const espalier = await createEspalier({ registry: 'memory:' })
try {
  const texts = ['play some jazz', 'book a table for two', 'will it rain tomorrow']

  const { model, dimensions, embeddings } = await espalier.embed(texts)
  console.log(`${model}: ${embeddings.length} vectors of ${dimensions} dimensions`)

  const intent = await espalier.classify(texts, { model: 'intent', topK: 1 })
  for (const [index, { label, score }] of intent.predictions.entries()) {
    console.log(`${intent.model}: ${texts[index]} -> ${label} (${score.toFixed(3)})`)
  }

  // A failure is data: a code, the field at fault, a message that names the fix.
  await espalier.embed(['fine', '']).catch((error) => {
    if (!isEspalierError(error, 'empty_input')) throw error
    console.log(`${error.code}: ${error.param}`)
  })
} finally {
  await espalier.close()
}
