import { EspalierError } from '../../lib/errors.ts'
import { option, say, type Wording } from '../../lib/wording.ts'
import type { Pooling } from './source-config.ts'

/** What somebody says of a folder, where it leaves something open or against what it says. */
export interface SourceAnswers {
  readonly pooling?: Pooling | undefined
  readonly maxTokens?: number | undefined
  /** By name; they stand beside those of the folder and win over them. */
  readonly prompts?: Readonly<Record<string, string>> | undefined
  /** Leave an output layer out: take the encoder of a classifier or of a language model. @default false */
  readonly headless?: boolean | undefined
  /** Take the output layer of a classifier along: the encoder is what it reads. @default false */
  readonly classifier?: boolean | undefined
  /** The ONNX file to take, relative to the folder. */
  readonly onnx?: string | undefined
  /** How answers are given; questions name it. @default 'options' */
  readonly door?: Door | undefined
}

/** Commands have options for the answers, other processes settings. */
export type Door = 'options' | 'settings'

/** What can be asked for, with the setting that answers it. */
const SETTINGS = {
  pooling: 'ESPALIER_ENCODER_POOLING',
  'max-tokens': 'ESPALIER_ENCODER_MAX_TOKENS',
  prompt: 'ESPALIER_ENCODER_PROMPTS',
  headless: 'ESPALIER_ENCODER_HEADLESS',
  onnx: 'ESPALIER_ENCODER_ONNX',
} as const

/** One of the answers above. */
export type Subject = keyof typeof SETTINGS

/** Something that a folder leaves open: it is asked for and never guessed. */
export interface Question {
  readonly about: Subject
  readonly wording: Wording
}

/** How an answer is given: "pass --pooling mean", "set ESPALIER_ENCODER_POOLING to mean". */
export function howToSay(door: Door, about: Subject, value?: string): Wording {
  if (door === 'options') return say`pass ${option(about, value)}`
  return [`set ${SETTINGS[about]} to ${value ?? '1'}`]
}

/**
 * The error that asks for all that a folder leaves open, in one line: `invalid_request` where options answer,
 * `invalid_config` where settings do.
 */
export function askFor(
  folder: string,
  door: Door,
  questions: readonly [Question, ...Question[]],
): EspalierError {
  const [first, ...others] = questions
  const rest = others.flatMap(({ wording }): Wording => ['; ', ...wording])
  const wording = [`${folder}: `, ...first.wording, ...rest]
  const isOption = door === 'options'
  return new EspalierError(isOption ? 'invalid_request' : 'invalid_config', wording, {
    param: isOption ? first.about : SETTINGS[first.about],
  })
}

/** Throws where something is open. @throws EspalierError as `askFor` */
export function assertSettled(
  folder: string,
  door: Door | undefined,
  questions: readonly Question[],
): void {
  const [first, ...others] = questions
  if (first) throw askFor(folder, door ?? 'options', [first, ...others])
}
