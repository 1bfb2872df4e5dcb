import type { DataSource } from '../../dataset/types.ts'
import { answersNeeded } from '../../drift/power.ts'
import { type DriftResult, isUsable, LEAST_ROWS, testDrift } from '../../drift/test-drift.ts'
import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { hint, say, task } from '../../lib/wording.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { readHead } from '../../versions/head-version.ts'
import { readAnswers } from './read-answers.ts'

/** What answers of a version say beside its reference. */
export interface DriftCheck {
  readonly version: RegistryVersion
  readonly answers: number
  /** Null where there are too few answers to tell. */
  readonly result: DriftResult | null
  /** Answers from which on a fall of like inputs by ten points is found nine times in ten; null where never. */
  readonly needed: number | null
  /** Answers of other versions, which were passed over. */
  readonly others: ReadonlyMap<string, number>
}

/**
 * Tests predictions, or what servers logged of their answers, against the reference of the version that gave them.
 * @param request.model `intent`, `intent@challenger` or `intent@v7`
 * @throws EspalierError `invalid_request` where the version has no reference to test by, `invalid_data`,
 * `model_not_found`, `version_not_found`, `wrong_model_kind`
 */
export async function checkDrift(
  registry: RegistryReader,
  request: {
    readonly model: string
    readonly data: DataSource
    readonly signal?: AbortSignal | undefined
  },
): Promise<DriftCheck> {
  const { model, data, signal } = request
  const { version, head, answers } = await readHead(registry, model, signal)
  const { reference } = answers
  const name = formatModelVersion(version)
  if (reference === undefined) {
    const message = say`${name} has no answers to compare with${hint(say`; train it again: ${task('train', 'DATA', { name: version.name })}`)}`
    throw new EspalierError('invalid_request', message)
  }
  if (!isUsable(reference)) {
    const message = `${name} has answers to ${reference.rows} rows to compare with; ${LEAST_ROWS} at least are needed: train it on more`
    throw new EspalierError('invalid_request', message)
  }
  const multiLabel = head.activation === 'sigmoid'
  const { counts, others } = await readAnswers(data, name, {
    multiLabel,
    ...(signal && { signal }),
  })
  return {
    ...{ version, answers: counts.answers, others },
    result: testDrift({ reference, head }, counts),
    needed: answersNeeded(reference),
  }
}
