import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { MODEL_NAME_PATTERN } from '../../lib/text/model-address.ts'
import { option, say, type Wording } from '../../lib/wording.ts'
import type { Tokenizer } from '../../runtime/text/tokenizer.ts'
import { assertSettled, type SourceAnswers } from './answers.ts'
import { findNetwork, type SourceNetwork } from './find-network.ts'
import { readJsonFile } from './json-file.ts'
import { sha256 } from './model-file.ts'
import { findWeights } from './open-weights.ts'
import type { OutputLayer } from './output-layer.ts'
import type { OwnClassifier } from './own-classifier.ts'
import { checkOwnFiles } from './own-files.ts'
import type { RecognisedFamily } from './recognise-family.ts'
import type { SentenceConfig } from './sentence-config.ts'
import type { Pooling } from './source-config.ts'
import { readTokenizer, TOKENIZER_FILE } from './source-tokenizer.ts'
import { surveyFolder } from './survey.ts'

const padSchema = z.looseObject({ pad_token_id: z.int().min(0).nullish() })

/** A Hugging Face folder, read as far as its configuration goes. */
export interface SourceFolder {
  readonly folder: string
  readonly name: string
  /** With what was answered; the pooling of weights is settled. */
  readonly sentence: SentenceConfig
  readonly tokenizer: Tokenizer
  readonly tokenizerBytes: Uint8Array
  readonly tokenizerSha256: string
  readonly maxTokens: number
  readonly padId: number
  readonly network: SourceNetwork
  /** What the model answers above its hidden states, as its configuration says. */
  readonly outputLayer: OutputLayer | null
  /** The output layer, where it is taken along. */
  readonly classifier: OwnClassifier | null
  /** What its name and configuration are like. */
  readonly known: RecognisedFamily | null
  /** Whether the folder says all of it, in the layout of sentence-transformers. */
  readonly isPlain: boolean
  /** What was taken from elsewhere, and what may be missing. */
  readonly notes: readonly Wording[]
}

/** What a caller may decide where the folder leaves it open, and against the folder's own configuration. */
export interface SourceOverrides extends SourceAnswers {
  readonly name?: string | undefined
}

/**
 * Reads and validates the configuration of an encoder's folder. How an ONNX graph pools is settled when it has been run.
 * @throws EspalierError `invalid_model_file`, `unsupported_model`, `invalid_name`; `invalid_request` or `invalid_config`
 *   for what is left open, by how it is answered
 */
export async function readSourceFolder(
  folder: string,
  overrides: SourceOverrides,
): Promise<SourceFolder> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new EspalierError('invalid_model_file', `${folder}: no such folder`)
  }
  await checkOwnFiles(folder)
  const network = await findNetwork(folder, overrides)
  const survey = await surveyFolder(folder, network, overrides)
  assertSettled(folder, overrides.door, survey.questions)
  const { tokenizer, bytes: tokenizerBytes, note } = await readTokenizer(folder)
  const plain = await readJsonFile(join(folder, 'config.json'), padSchema)
  return {
    folder,
    name: chooseName(folder, overrides.name),
    sentence: survey.sentence,
    tokenizer,
    tokenizerBytes,
    tokenizerSha256: sha256(tokenizerBytes),
    maxTokens: survey.maxTokens as number,
    padId: network.kind === 'weights' ? network.config.padId : (plain?.pad_token_id ?? 0),
    network,
    outputLayer: survey.outputLayer,
    classifier: survey.classifier,
    known: survey.known,
    isPlain: survey.isPlain && hasUsualFiles(folder, survey.sentence),
    notes: note === null ? survey.notes : [...survey.notes, note],
  }
}

/** Whether weights and tokenizer lie in the files that whoever derives a folder copies. */
function hasUsualFiles(folder: string, { dense }: SentenceConfig): boolean {
  const weights = [folder, ...(dense ? [dense.folder] : [])].map((each) => findWeights(each)?.kind)
  const isTokenizer = existsSync(join(folder, TOKENIZER_FILE))
  return isTokenizer && weights.every((kind) => kind === 'safetensors')
}

/** How a folder of weights pools; that of a graph may be open until it has been run. */
export function poolingOf({ sentence }: Pick<SourceFolder, 'sentence'>): Pooling {
  if (sentence.pooling !== null) return sentence.pooling
  throw new EspalierError('internal', 'a pooling that was not settled')
}

/** The name of an encoder: the wanted one, else the folder's. @throws EspalierError `invalid_name` */
export function chooseName(folder: string, wanted: string | undefined): string {
  const name = wanted ?? basename(resolve(folder)).toLowerCase()
  if (MODEL_NAME_PATTERN.test(name) && !name.includes('..')) return name
  throw new EspalierError(
    'invalid_name',
    say`${name} cannot be a model name (a-z, 0-9, ".", "_", "-"; at most 63); give one with ${option('name')}`,
  )
}
