import { EspalierError } from '../lib/errors.ts'
import { type AnswersFile, answersFileSchema } from '../lib/manifests/answers-file.ts'
import type { Head } from './head.ts'
import { placesOf } from './prediction-sets.ts'

/** The newest layout that this program writes and reads; heads are served without parts of a newer one. */
const SCHEMA = 1
/** Largest file that is read, in bytes. */
export const MAX_ANSWERS_BYTES = 16 * 1024 * 1024

/** What a version knows of its answers beside the head; every part may be absent. */
export interface AnswerFacts extends Omit<AnswersFile, 'schema'> {
  /** Layout of a file that is too new to be read. */
  readonly unread?: number | undefined
}

/** Writes the facts; null where there are none. The same facts give the same bytes. */
export function encodeAnswers({ unread: _, ...facts }: AnswerFacts): Uint8Array | null {
  if (Object.values(facts).every((part) => part === undefined)) return null
  return new TextEncoder().encode(JSON.stringify({ schema: SCHEMA, ...facts }))
}

/**
 * Reads what `encodeAnswers` wrote; of a newer layout only that there is one, as facts only add to answers.
 * @throws EspalierError `artifact_corrupt` naming the field, also for facts about another number of labels
 */
export function decodeAnswers(bytes: Uint8Array, head: Pick<Head, 'labels'>): AnswerFacts {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw corrupt('not JSON', cause)
  }
  if (schemaOf(json) > SCHEMA) return { unread: schemaOf(json) }
  const parsed = answersFileSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw corrupt(`${issue.path.join('.') || '(root)'}: ${issue.message}`)
  }
  const { schema: _, ...facts } = parsed.data
  const { reference, sets } = facts
  if (reference && reference.labels.length !== head.labels.length) {
    throw corrupt(`${reference.labels.length} counts for ${head.labels.length} labels`)
  }
  if (sets) checkSets(sets, head.labels.length)
  return facts
}

/** How many scores are kept follows from how many rows there were. */
function checkSets(sets: NonNullable<AnswerFacts['sets']>, labels: number): void {
  const { byLabel } = sets
  if (byLabel.length !== labels) throw corrupt(`scores of ${byLabel.length} for ${labels} labels`)
  const sum = byLabel.reduce((total, { rows }) => total + rows, 0)
  if (sum !== sets.rows) throw corrupt(`scores of ${sum} rows by label, of ${sets.rows} together`)
  for (const { rows, lowest } of [sets, ...byLabel]) {
    // More cannot be: each of them takes bytes.
    if (rows > MAX_ANSWERS_BYTES || placesOf(rows).length !== lowest.length) {
      throw corrupt(`${lowest.length} scores of ${rows} rows`)
    }
  }
}

function schemaOf(json: unknown): number {
  if (typeof json !== 'object' || json === null || !('schema' in json)) return 0
  return typeof json.schema === 'number' ? json.schema : 0
}

function corrupt(why: string, cause?: unknown): EspalierError {
  return new EspalierError('artifact_corrupt', `answers file: ${why}`, { cause })
}
