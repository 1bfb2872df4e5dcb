import { EspalierError } from '../../shared/lib/errors.ts'
import { formatModelVersion } from '../../shared/lib/text/model-address.ts'
import type { ClassifierAnswer, ClassifyInput } from '../../shared/serving/classify.ts'
import type { EmbedResult } from '../../shared/serving/embed.ts'
import type { RunningService } from '../boot/start-service.ts'
import type {
  Classification,
  ClassifyOptions,
  Embeddings,
  EmbedOptions,
  Espalier,
  Input,
  ModelEntry,
} from './types.ts'

/** How errors name the inputs. */
const FIELD = 'inputs'

/** The library over running use cases; closing it closes them, once. */
export function openLibrary(service: RunningService): Espalier {
  const { services, encoders, classifiers } = service
  let closed: Promise<void> | undefined

  function checkOpen(): void {
    if (closed) throw new EspalierError('shutting_down', 'this Espalier is closed')
  }

  async function classify(
    inputs: Input | readonly Input[],
    model: ClassifyInput['model'],
    options: Omit<ClassifyOptions, 'model'>,
  ): Promise<readonly Classification[]> {
    checkOpen()
    const { topK, threshold, thresholds, minScore, predictionSet } = options
    const { routeKey, truncate, signal, timeoutMs } = options
    const wishes = { topK, threshold, thresholds, minScore, predictionSet }
    const asked = { ...wishes, routeKey, truncate, signal, timeoutMs }
    const { answers } = await services.classify({ ...asked, inputs, model, field: FIELD })
    return answers.map(toClassification)
  }

  async function close(): Promise<void> {
    closed ??= service.close()
    await closed
  }

  return {
    async embed(inputs, options: EmbedOptions = {}) {
      checkOpen()
      const { model, normalize, promptName, truncate, signal, timeoutMs } = options
      const asked = { model, normalize, promptName, truncate, signal, timeoutMs }
      return toEmbeddings(await services.embed({ ...asked, inputs, field: FIELD }))
    },
    async classify(inputs, options = {}) {
      const [answer] = await classify(inputs, options.model, options)
      return answer!
    },
    classifyWith: async (models, inputs, options = {}) => classify(inputs, models, options),
    async models(): Promise<readonly ModelEntry[]> {
      checkOpen()
      const served = encoders.list().map(({ info, kind, versions, aliases }) => {
        return { name: info.name, kind, version: info.version, versions, aliases }
      })
      const heads = await classifiers.list()
      return [
        ...served,
        ...heads.map(({ name, kind, version, versions, aliases }) => {
          return { name, kind, version, versions, aliases }
        }),
      ]
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function toEmbeddings({ info, batch }: EmbedResult): Embeddings {
  const { vectors, dimension, tokens, truncated } = batch
  return {
    model: formatModelVersion(info),
    fingerprint: info.fingerprint,
    dimensions: dimension,
    embeddings: Array.from({ length: tokens.length }, (_, row) =>
      // A copy of its own: a caller that keeps one vector does not keep them all.
      vectors.slice(row * dimension, (row + 1) * dimension),
    ),
    tokens: tokens.reduce((sum, count) => sum + count, 0),
    truncated: truncated.reduce((sum, cut) => sum + cut, 0),
  }
}

function toClassification(answer: ClassifierAnswer): Classification {
  const { model, multiLabel, labels, predictions } = answer
  return { model, multiLabel, labels, predictions }
}
