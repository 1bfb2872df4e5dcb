import type { Command } from 'commander'
import type { NearDuplicateRule } from '../../../shared/jobs/heads/data.ts'
import type { TrainHeadRequest } from '../../../shared/jobs/heads/request.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import {
  CLASS_WEIGHTS,
  type ClassWeight,
  OPTIMISED,
  type Optimise,
} from '../../../shared/training/catalogue/aims.ts'
import { METHODS, type Method } from '../../../shared/training/catalogue/methods.ts'
import type { CommandContext } from '../context.ts'
import { balanceStrength, numberBetween, oneOf, wholeNumber } from './parsers.ts'

const NEAR_DUPLICATE_RULES = ['keep-together', 'ignore'] as const

/** Options of every command that fits and evaluates a classifier on labelled rows. */
export interface FitOptions {
  readonly test?: string
  readonly testFraction: number
  readonly groupColumn?: string
  readonly timeColumn?: string
  readonly nearDuplicates: NearDuplicateRule
  readonly method: Method
  readonly seed: number
  readonly folds: number
  readonly balance?: boolean | number | 'auto'
  readonly optimise?: Optimise
  readonly classWeight?: ClassWeight
  readonly memory: boolean
}

/** Adds the options of `FitOptions`. */
export function addFitOptions(command: Command): Command {
  return command
    .option('--test <file>', 'test rows of their own; otherwise some of DATA are held out')
    .option(
      '--test-fraction <share>',
      'share of each class that is held out for the test',
      numberBetween(0, 0.9),
      0.2,
    )
    .option(
      '--group-column <name>',
      'column of groups, such as a thread or a customer: rows of a group stay on one side of every split',
    )
    .option(
      '--time-column <name>',
      'column of times: the latest rows are held out for the test, and earlier ones are learnt; dates in ISO 8601, ' +
        'Unix seconds or milliseconds, or numbers',
    )
    .option(
      '--near-duplicates <rule>',
      'rows that say the same: keep-together on one side of every split, or ignore',
      oneOf(NEAR_DUPLICATE_RULES),
      'keep-together',
    )
    .option(
      '--method <method>',
      `how the classifier is fitted: ${METHODS.join(', ')}; auto chooses by cross-validation`,
      oneOf(METHODS),
      'auto',
    )
    .option('--seed <n>', 'all randomness is derived from it', wholeNumber(0, 2 ** 31 - 1), 42)
    .option('--folds <n>', 'parts of the cross-validation', wholeNumber(2, 20), 5)
    .option(
      '--optimise <aim>',
      `what the method is chosen by: ${OPTIMISED.join(', ')}; default log-loss`,
      oneOf(OPTIMISED),
    )
    .option(
      '--balance [strength]',
      'let rare labels count as much as frequent ones: full (default where it is given alone), none, 0 to 1, or auto, chosen by cross-validation for macro-F1',
      balanceStrength,
    )
    .option(
      '--class-weight <weights>',
      `rows count in logistic regression so that labels count alike: ${CLASS_WEIGHTS.join(', ')}`,
      oneOf(CLASS_WEIGHTS),
    )
    .option('--no-memory', 'keep no training embeddings for votes of neighbours: a smaller head')
}

/** Options of every command that publishes the classifier that it fitted. */
export interface OutcomeOptions {
  readonly promote?: boolean
  readonly force?: boolean
  readonly idempotencyKey?: string
  readonly by?: string
  readonly reason?: string
  readonly description?: string
  readonly report?: string
  readonly quoteTexts?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Adds the options of `OutcomeOptions`; the words say what is promoted, made by whom, and quoted. */
export function addOutcomeOptions(
  command: Command,
  words: {
    readonly promote: string
    readonly force: string
    readonly key: string
    readonly by: string
    readonly description: string
    readonly quoteTexts: string
  },
): Command {
  return command
    .option('--promote', words.promote)
    .option('--force', `with --promote: ${words.force}`)
    .option('--idempotency-key <key>', words.key)
    .option('--by <who>', words.by)
    .option('--reason <text>', 'why it is promoted, for the history')
    .option('--description <text>', words.description)
    .option('--report <folder>', 'write report.md, report.json and report.html here too')
    .option('--quote-texts', words.quoteTexts)
    .option('--dry-run', 'do everything but publish')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'no progress and no warnings on stderr')
}

/** @throws EspalierError `invalid_request` for options that contradict each other */
export function checkOutcome({ promote, force, dryRun }: OutcomeOptions): void {
  const fail = (message: string): never => {
    throw new EspalierError('invalid_request', message)
  }
  if (force === true && promote !== true) fail('--force is of use with --promote only')
  if (dryRun === true && promote === true) fail('--dry-run publishes nothing to promote')
}

/** The options as a job takes them: switches that are off are false, and the command line is kept for the lineage. */
export function toJob<Options extends OutcomeOptions>(
  { argv, signal }: CommandContext,
  { promote, force, dryRun = false, quoteTexts = false, ...options }: Options,
) {
  const command = ['espalier', ...argv].map(quoteArgument).join(' ')
  return { ...options, promote: modeOf(promote, force), dryRun, quoteTexts, command, signal }
}

/** When the new version is promoted. */
function modeOf(promote = false, force = false): TrainHeadRequest['promote'] {
  if (!promote) return 'no'
  return force ? 'always' : 'unless-worse'
}

/** An argument as a POSIX shell takes it back. */
function quoteArgument(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument
  return `'${argument.replaceAll("'", "'\\''")}'`
}
