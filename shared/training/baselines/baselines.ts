import type { CountFeatures } from './hashed-features.ts'
import { answerByTfIdf, type LabelledRows } from './tf-idf.ts'

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
 * @param count how features are counted, where the same texts come again
 */
export function answerByBaselines(
  learnt: LabelledRows,
  asked: readonly string[],
  {
    seed,
    texts,
    count,
  }: {
    readonly seed: number
    readonly texts: boolean
    readonly count?: CountFeatures | undefined
  },
): BaselineAnswers[] {
  const found: BaselineAnswers[] = [{ name: 'majority', said: answerMostFrequent(learnt, asked) }]
  const said = texts ? answerByTfIdf(learnt, asked, seed, count) : null
  if (said !== null) found.push({ name: 'tf-idf', said })
  return found
}

/** Always the answer that the learnt rows have most often, the first of several: what chance and habit reach. */
export function answerMostFrequent(
  { truth }: LabelledRows,
  asked: readonly string[],
): readonly (readonly number[])[] {
  const counts = new Map<string, { readonly answer: readonly number[]; rows: number }>()
  for (const labels of truth) {
    const answer = labels.toSorted((a, b) => a - b)
    const key = answer.join()
    const entry = counts.get(key)
    if (entry === undefined) counts.set(key, { answer, rows: 1 })
    else entry.rows++
  }
  let best: { readonly answer: readonly number[]; rows: number } = { answer: [], rows: 0 }
  for (const entry of counts.values()) if (entry.rows > best.rows) best = entry
  return asked.map(() => best.answer)
}
