import { z } from 'zod'
import { hint, say, task } from '../../lib/wording.ts'
import { type Door, howToSay, type Question } from './answers.ts'

/** Fields of a `config.json` that say what a model was trained to answer. */
export const outputSchema = z.looseObject({
  architectures: z.array(z.string().max(200)).max(16).nullish().catch(null),
  vocab_size: z.int().min(1).optional().catch(undefined),
  id2label: z.record(z.string().max(32), z.string().max(1000)).nullish().catch(null),
})

/** The layer of a model above its hidden states, which an encoder of texts leaves out. */
export interface OutputLayer {
  readonly kind: 'classifier' | 'language model'
  /** What says so: a class of transformers, or a tensor. */
  readonly evidence: string
  /** Of a classifier, where the folder names them. */
  readonly labels: readonly string[]
  /** Of a language model: how many words it chooses from, where the folder says it. */
  readonly words: readonly number[]
}

const CLASSIFIERS =
  /For(?:SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice|NextSentencePrediction)$/
const LANGUAGE_MODELS =
  /(?:For(?:MaskedLM|PreTraining|CausalLM|ConditionalGeneration)|LMHeadModel)$/
/** Names that transformers gives to the output layers of classifiers. */
const CLASSIFIER_TENSOR =
  /^(?:[a-z0-9_-]+\.)?(?:classifier|pre_classifier|score|qa_outputs)\.(?:[a-z_]+\.)?weight$/i
/** Those that transformers makes up are no labels. */
const MADE_UP = /^LABEL_\d+$/
const MAX_SHOWN = 5

/**
 * What a folder's configuration and tensors say of an output layer: classes of transformers that have one, labels that
 * somebody named, tensors of one. Null for an encoder alone.
 */
export function findOutputLayer(
  config: z.infer<typeof outputSchema> | null,
  tensors: readonly string[],
): OutputLayer | null {
  const labels = Object.entries(config?.id2label ?? {})
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, label]) => label)
  const classes = config?.architectures ?? []
  const classifier = classes.find((name) => CLASSIFIERS.test(name))
  if (classifier) return { kind: 'classifier', evidence: classifier, labels, words: [] }
  const language = classes.find((name) => LANGUAGE_MODELS.test(name))
  if (language) {
    const words = config?.vocab_size === undefined ? [] : [config.vocab_size]
    return { kind: 'language model', evidence: language, labels: [], words }
  }
  const tensor = tensors.find((name) => CLASSIFIER_TENSOR.test(name))
  if (tensor) return { kind: 'classifier', evidence: `tensor ${tensor}`, labels, words: [] }
  const named = labels.filter((label) => !MADE_UP.test(label))
  if (classes.length === 0 && named.length > 0) {
    return { kind: 'classifier', evidence: 'id2label', labels, words: [] }
  }
  return null
}

/**
 * Asks whether an encoder may be taken without the layer that it was trained with.
 * @param isServed an export can take that layer along
 */
export function askHeadless(layer: OutputLayer, door: Door, isServed = false): Question {
  return {
    about: 'headless',
    wording: [
      `is a ${layer.kind} (${layer.evidence}${describeLabels(layer.labels)}), no encoder: `,
      layer.kind === 'classifier'
        ? 'its output layer would be left out, and nothing trained what is below to be embeddings; '
        : 'nothing trained its hidden states to be embeddings; ',
      ...howToSay(door, 'headless'),
      ' to take the encoder without its output layer',
      ...(isServed ? [hint(say`; ${task('export')} takes it along, with its labels`)] : []),
    ],
  }
}

function describeLabels(labels: readonly string[]): string {
  if (labels.length === 0) return ''
  const shown = labels.slice(0, MAX_SHOWN).join(', ')
  const more = labels.length > MAX_SHOWN ? ', …' : ''
  return `, ${labels.length} labels: ${shown}${more}`
}

/** True for an output of a graph that answers instead of embedding: `logits`, `start_logits`. */
export function isLogits(name: string): boolean {
  return /(?:^|[_./])logits$/i.test(name)
}
