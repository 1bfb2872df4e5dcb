import type { CohereClassifyResponse } from '../../../shared/contract/cohere-classify.ts'
import type { ClassifierAnswer } from '../../../shared/serving/classify.ts'
import { roundScore, writeItems } from './classify-json.ts'

type Classification = CohereClassifyResponse['classifications'][number]

/** Writes the answer to a classification as Cohere does; `id` is that of the request. */
export function cohereToJson(
  answer: ClassifierAnswer,
  inputs: readonly string[],
  id: string,
): Promise<Buffer<ArrayBuffer>> {
  const meta: CohereClassifyResponse['meta'] = {
    api_version: { version: '1' },
    billed_units: { classifications: inputs.length },
  }
  const rest = JSON.stringify({ meta, model: answer.model })
  return writeItems(
    `{"id":${JSON.stringify(id)},"classifications":[`,
    `],${rest.slice(1)}`,
    inputs.length,
    answer.labels.length,
    (writer, index) => {
      const item = describeItem(answer, echoInput(inputs[index]!), index, `${id}-${index}`)
      writer.text(JSON.stringify(item))
    },
  )
}

/** Texts go back whole; an image's megabytes do not. */
function echoInput(input: string): string {
  return /^data:image\//i.test(input) ? `${input.slice(0, 64)}…` : input
}

function describeItem(
  { multiLabel, labels, predictions, probabilities }: ClassifierAnswer,
  input: string,
  row: number,
  id: string,
): Classification {
  const { label, labels: listed } = predictions[row]!
  const scoreOf = (at: number) => roundScore(probabilities![row * labels.length + at]!)
  const best = multiLabel ? null : label
  const holding = multiLabel ? listed : listed.slice(0, 1)
  const confidences = holding.map(({ score }) => roundScore(score))
  return {
    id,
    input,
    // Deprecated by Cohere, but old callers read them.
    ...(best !== null && { prediction: best, confidence: confidences[0]! }),
    predictions: holding.map((entry) => entry.label),
    confidences,
    labels: Object.fromEntries(labels.map((name, at) => [name, { confidence: scoreOf(at) }])),
    classification_type: multiLabel ? 'multi-label' : 'single-label',
  }
}
