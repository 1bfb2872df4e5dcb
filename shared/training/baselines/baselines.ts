import { answerMostFrequent, type LabelledRows } from './most-frequent.ts'
import { answerByTfIdf } from './tf-idf.ts'

export type { LabelledRows } from './most-frequent.ts'

/** What a head is set beside. */
export type BaselineName = 'majority' | 'tf-idf'

/** Answers of a baseline to rows that it has not learnt. */
export interface BaselineAnswers {
  readonly name: BaselineName
  readonly said: readonly (readonly number[])[]
}

/**
 * The baselines that there are for these rows: the most frequent answer always, TF-IDF for texts. What cannot be fitted
 * in bounded time and memory is left out.
 * @param asked the texts to answer; of images anything of the same number
 */
export function answerByBaselines(
  learnt: LabelledRows,
  asked: readonly string[],
  { seed, texts }: { readonly seed: number; readonly texts: boolean },
): BaselineAnswers[] {
  const found: BaselineAnswers[] = [{ name: 'majority', said: answerMostFrequent(learnt, asked) }]
  const said = texts ? answerByTfIdf(learnt, asked, seed) : null
  if (said !== null) found.push({ name: 'tf-idf', said })
  return found
}
