import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { option, say, type Wording } from '../../lib/wording.ts'
import { type Door, howToSay, type Question, type SourceAnswers } from './answers.ts'
import type { SourceNetwork } from './find-network.ts'
import { readJsonFile } from './json-file.ts'
import { settleMaxTokens } from './max-tokens.ts'
import { askHeadless, findOutputLayer, type OutputLayer, outputSchema } from './output-layer.ts'
import {
  denseOf,
  hasOwnClassifier,
  type OwnClassifier,
  readOwnClassifier,
} from './own-classifier.ts'
import { identitySchema, type RecognisedFamily, recogniseFamily } from './recognise-family.ts'
import { readSentenceConfig, type SentenceConfig } from './sentence-config.ts'
import { POOLINGS } from './source-config.ts'

/** All that a folder's files say of how its encoder is meant, with the answers to what they leave open. */
export interface Survey {
  readonly sentence: SentenceConfig
  /** Null where it is asked for. */
  readonly maxTokens: number | null
  readonly outputLayer: OutputLayer | null
  /** The output layer, where it is taken along. */
  readonly classifier: OwnClassifier | null
  readonly known: RecognisedFamily | null
  /** Whether the folder says all of it itself. */
  readonly isPlain: boolean
  /** What nobody has said yet; without any, nothing is guessed in what follows. */
  readonly questions: readonly Question[]
  readonly notes: readonly Wording[]
}

const configSchema = z.intersection(identitySchema, outputSchema)

/**
 * Reads what decides how a network is used: modules, pooling, length, prompts, output layer. What is known of published
 * models answers where name and configuration are theirs, which a note says.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`, `invalid_request` for answers that cannot be
 */
export async function surveyFolder(
  folder: string,
  network: SourceNetwork,
  answers: SourceAnswers,
): Promise<Survey> {
  const door = answers.door ?? 'options'
  const config = await readJsonFile(join(folder, 'config.json'), configSchema)
  const known = config && recogniseFamily(folder, config)
  const tensors = network.kind === 'weights' ? network.tensors : []
  const outputLayer = findOutputLayer(config, tensors)
  const classifier = await findClassifier(folder, network, outputLayer, answers)
  const read = await readSentence(folder, network, classifier, answers)
  const questions: Question[] = []
  const notes: Wording[] = []
  const isOpen = classifier === null && answers.headless !== true
  if (network.kind === 'weights' && outputLayer !== null && isOpen) {
    // sentence-transformers takes the encoder of a language model too, where modules.json tells it to.
    const isMeant = read.isDeclared && outputLayer.kind === 'language model'
    if (!isMeant)
      questions.push(askHeadless(outputLayer, door, hasOwnClassifier(network, outputLayer)))
  }
  // What is known of published models is of use where their own files are missing.
  const sure = known?.isSure === true && !read.isDeclared ? known : null
  let pooling = read.pooling
  if (pooling === null && sure !== null) {
    pooling = sure.family.pooling
    notes.push(say`${pooling} pooling is that of ${sure.family.source}: ${describe(sure)}`)
  }
  if (pooling === null && network.kind === 'weights') questions.push(askPooling(known, door))
  const length = await settleMaxTokens(folder, read.maxTokens, network, answers.maxTokens, sure)
  if (length.from === 'family' && sure !== null) {
    notes.push(say`${length.maxTokens ?? 0} tokens is the length of ${sure.family.source}`)
  }
  if (length.maxTokens === null) questions.push(askMaxTokens(door))
  const prompts = { ...read.prompts, ...answers.prompts }
  if (known?.isSure === true && Object.keys(prompts).length === 0) {
    const advice = advisePrompts(known, door)
    if (advice !== null) notes.push(advice)
  }
  const sentence = { ...read, pooling, prompts }
  const said = [answers.pooling, answers.maxTokens, answers.prompts, answers.headless]
  const isPlain =
    read.isDeclared && classifier === null && said.every((answer) => answer === undefined)
  const { maxTokens } = length
  return { sentence, maxTokens, outputLayer, classifier, known, isPlain, questions, notes }
}

async function findClassifier(
  folder: string,
  network: SourceNetwork,
  layer: OutputLayer | null,
  { classifier, headless }: SourceAnswers,
): Promise<OwnClassifier | null> {
  if (classifier !== true || headless === true || layer === null) return null
  return hasOwnClassifier(network, layer) ? readOwnClassifier(folder, network, layer) : null
}

/** What a classifier reads is the state of its first token through a dense layer, whatever modules say beside it. */
async function readSentence(
  folder: string,
  network: SourceNetwork,
  classifier: OwnClassifier | null,
  { pooling }: SourceAnswers,
): Promise<SentenceConfig> {
  if (classifier === null || network.kind !== 'weights') return readSentenceConfig(folder, pooling)
  if (pooling !== undefined && pooling !== 'cls') {
    const message = say`${option('pooling', pooling)}: ${classifier.source} reads the state of the first token; to pool otherwise leave its output layer out with ${option('headless')}`
    throw new EspalierError('invalid_request', message)
  }
  const read = await readSentenceConfig(folder, 'cls')
  const dense = denseOf(folder, network.config.hidden, classifier.layout)
  return { ...read, isDeclared: true, normalize: true, dense, prompts: {}, defaultPrompt: null }
}

/** Asks how token vectors become one. */
export function askPooling(known: RecognisedFamily | null, door: Door): Question {
  const likely =
    known === null
      ? 'mean is the usual one, but nothing here speaks for it: the page of the model says it'
      : `${known.family.pooling} is likely, as ${describe(known)} and ${known.family.source} pools so`
  return {
    about: 'pooling',
    wording: [
      'nothing in it says how the vectors of its tokens become one (it has no modules.json): ',
      ...howToSay(door, 'pooling', POOLINGS.join('|')),
      `; ${likely}`,
    ],
  }
}

function askMaxTokens(door: Door): Question {
  return {
    about: 'max-tokens',
    wording: [
      'nothing in it says how many tokens it reads (no max_seq_length, model_max_length or max_position_embeddings): ',
      ...howToSay(door, 'max-tokens', 'N'),
      '; 512 is the usual length',
    ],
  }
}

function advisePrompts({ family }: RecognisedFamily, door: Door): Wording | null {
  const prompts = Object.entries(family.prompts)
  if (prompts.length === 0) return null
  const given =
    door === 'options'
      ? prompts.flatMap(
          ([name, text], i): Wording => [i === 0 ? '' : ' ', option('prompt', `"${name}=${text}"`)],
        )
      : [`ESPALIER_ENCODER_PROMPTS=${JSON.stringify(family.prompts)}`]
  return [
    `${family.source} is published with prompts, and the folder declares none; to have them, pass `,
    ...given,
  ]
}

function describe({ name, where, isSure }: RecognisedFamily): string {
  const fits = isSure ? ', and its configuration fits' : ''
  return `the name in ${where} is ${name}${fits}`
}

/** @throws EspalierError `invalid_request` for a name or text that no prompt has */
export function checkPrompts(prompts: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(prompts)) {
    if (name !== '' && name.length <= 100 && text.length <= 10_000) continue
    throw new EspalierError('invalid_request', say`${option('prompt')}: ${name} is no name=text`)
  }
}
